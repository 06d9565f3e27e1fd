// What is known of a notebook, besides its state.

import { Cost, PerHour } from "../components/Cost";
import type { Story } from "../live/story";
import { moment } from "../logic/times";

export function Facts({ story }: { story: Story }) {
  const { notebook, status } = story;
  const now = new Date();
  return (
    <section className="panel" aria-labelledby="facts">
      <h2 id="facts">Facts</h2>
      <dl>
        <dt>Cost so far</dt>
        <dd>
          <Cost row={story} />
        </dd>
        <dt>Machine</dt>
        <dd>
          {notebook.machineType}
          <span className="sub">
            <PerHour row={story} />
          </span>
        </dd>
        <dt>Address</dt>
        <dd className="long">{status?.url}</dd>
        <dt>Created</dt>
        <dd>
          <time dateTime={notebook.dtCreated}>{moment(notebook.dtCreated, now)}</time>
          <span className="sub">by {notebook.startedByUser.email || notebook.startedByUser.id}</span>
        </dd>
        {notebook.dtStarted === null ? null : (
          <>
            <dt>Answered first</dt>
            <dd>
              <time dateTime={notebook.dtStarted}>{moment(notebook.dtStarted, now)}</time>
            </dd>
          </>
        )}
        {status?.keptUntil && (
          <>
            <dt>Kept until</dt>
            <dd>
              <time dateTime={status.keptUntil}>{moment(status.keptUntil, now)}</time>
            </dd>
          </>
        )}
        <dt>Identifier</dt>
        <dd className="long">{notebook.id}</dd>
      </dl>
    </section>
  );
}
