// Shown while there is no notebook: what one is, and how to get the first.

export function FirstVisit({ create }: { create: () => void }) {
  return (
    <section className="first" aria-labelledby="first-heading">
      <h2 id="first-heading">Make your first notebook</h2>
      <p>
        A notebook is a JupyterLab of your own on one of your team's machines. Its files stay when you stop it; while it is stopped it
        costs nothing.
      </p>
      <ol>
        <li>
          <strong>Choose a machine.</strong> You see what an hour costs before you start.
        </li>
        <li>
          <strong>Open it.</strong> This page shows by itself when it runs.
        </li>
        <li>
          <strong>Stop it.</strong> Start it again whenever you like, with the same files at the same address.
        </li>
      </ol>
      <button className="button primary" type="button" onClick={create}>
        Create a notebook
      </button>
      <p className="hint">
        Or from the command line: <code>quire notebook create --name first</code>
      </p>
    </section>
  );
}
