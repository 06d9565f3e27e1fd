// What can be done with a notebook, as buttons.

import type { Notebook, NotebookStatus } from "../api/types";
import { actions } from "../logic/actions";
import type { Verbs } from "./useVerbs";

interface Props {
  notebook: Notebook;
  status: NotebookStatus | null;
  verbs: Verbs;
  /** Deleting is asked about first. */
  remove: () => void;
}

const TURN = { start: "Start", stop: "Stop" };
const UNDER_WAY = { start: "Starting…", stop: "Stopping…", extend: "Extending…", delete: "Deleting…" };

export function Buttons({ notebook, status, verbs, remove }: Props) {
  const { open, turn } = actions(notebook, status);
  const verb = verbs.underWay(notebook);
  const busy = verb !== null;
  return (
    <div className="buttons">
      {open === null || verb === "delete" ? null : (
        <a className="button primary" href={open} target="_blank" rel="noreferrer">
          Open<Of notebook={notebook} />
        </a>
      )}
      {/* One button for both turns: the focus stays on it when the state changes. */}
      <button
        className={`button ${turn === "start" && !busy ? "tinted" : ""}`}
        type="button"
        aria-disabled={busy}
        onClick={() => void (busy || verbs.ask(turn, notebook))}
      >
        {verb === null || verb === "extend" ? TURN[turn] : UNDER_WAY[verb]}
        <Of notebook={notebook} />
      </button>
      <button className="button quiet danger" type="button" aria-disabled={busy} onClick={() => void (busy || remove())}>
        Delete
        <Of notebook={notebook} />
      </button>
    </div>
  );
}

/** Which notebook a button is about, for who hears the buttons one after the other. */
function Of({ notebook }: { notebook: Notebook }) {
  return <span className="unseen"> {notebook.name}</span>;
}
