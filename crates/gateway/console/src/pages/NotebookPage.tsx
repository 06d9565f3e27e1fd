// One notebook: why it is where it is, what it costs, and its whole story.

import { useEffect, useMemo, useRef, useState } from "react";
import { Refusal } from "../api/failure";
import { Announcer } from "../components/Announcer";
import { Buttons } from "../components/Buttons";
import { Problem } from "../components/Problem";
import { Reach } from "../components/Reach";
import { State } from "../components/State";
import { StopTime } from "../components/StopTime";
import { useKeptFocus } from "../components/useKeptFocus";
import { useVerbs } from "../components/useVerbs";
import { type Story, storyOf } from "../live/story";
import { useLive } from "../live/useLive";
import { go, href } from "../logic/route";
import { useEndOfSession, useSession } from "../session/session";
import { DeleteDialog } from "./DeleteDialog";
import { Facts } from "./Facts";
import { Runs } from "./Runs";
import { Timeline } from "./Timeline";

export function NotebookPage({ id }: { id: string }) {
  const { api } = useSession();
  const read = useMemo(() => storyOf(api, id, () => performance.now()), [api, id]);
  const { data, error, refresh } = useLive(read);
  useEndOfSession(error);
  const isGone = error instanceof Refusal && error.status === 404;
  return (
    <div className="page">
      <p className="crumb">
        <a href={href({ page: "notebooks" })}>← All notebooks</a>
      </p>
      {isGone ? <Gone why={error.message} /> : <Reach error={error} />}
      {data === null || isGone ? null : <Told story={data} refresh={refresh} />}
      {data === null && error === null ? <p role="status">Reading the notebook…</p> : null}
    </div>
  );
}

function Gone({ why }: { why: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <section className="first">
      <h1 ref={heading} tabIndex={-1}>
        There is no such notebook
      </h1>
      <p>{why}</p>
    </section>
  );
}

function Told({ story, refresh }: { story: Story; refresh: () => void }) {
  const { notebook, status } = story;
  const shown = useMemo(() => [notebook], [notebook]);
  const rows = useMemo(() => [story], [story]);
  const verbs = useVerbs(shown, refresh);
  const [removing, setRemoving] = useState(false);
  const heading = useRef<HTMLHeadingElement>(null);
  useKeptFocus(heading, story);
  useEffect(() => heading.current?.focus(), []);
  useEffect(() => {
    document.title = `${notebook.name} · Quire`;
  }, [notebook.name]);
  return (
    <>
      <Announcer rows={rows} />
      <div className="page-head">
        <div>
          <h1 ref={heading} tabIndex={-1}>
            {notebook.name}
          </h1>
          <p className="summary">
            <State state={notebook.state} />
          </p>
        </div>
        <Buttons notebook={notebook} status={status} verbs={verbs} remove={() => setRemoving(true)} />
      </div>
      <Problem verbs={verbs} />
      <div className="columns">
        <div>
          <section className="panel" aria-labelledby="why">
            <h2 id="why">Why</h2>
            <p className="why">{status?.reason || status?.summary}</p>
            <Reasons story={story} />
            <StopTime notebook={notebook} status={status} verbs={verbs} />
          </section>
          <Timeline events={story.events} />
        </div>
        <div>
          <Facts story={story} />
          <Runs runs={story.runs} />
        </div>
      </div>
      {removing && (
        <DeleteDialog
          notebook={notebook}
          verbs={verbs}
          close={() => setRemoving(false)}
          deleted={() => go({ page: "notebooks" })}
        />
      )}
    </>
  );
}

/** The explanation, line by line, as far as it says more than what stands above it. */
function Reasons({ story }: { story: Story }) {
  const { reason = "", summary = "", details = [] } = story.status ?? {};
  const above = reason || summary;
  const lines = [summary, ...details].filter((line) => line !== "" && line !== above);
  if (lines.length === 0) return null;
  return (
    <ul className="reasons">
      {lines.map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  );
}
