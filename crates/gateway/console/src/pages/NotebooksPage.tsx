// All notebooks of the team, as they are now.

import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { Notebook } from "../api/types";
import { Announcer } from "../components/Announcer";
import { Problem } from "../components/Problem";
import { Reach } from "../components/Reach";
import { useKeptFocus } from "../components/useKeptFocus";
import { useVerbs } from "../components/useVerbs";
import { Feed, type Snapshot } from "../live/feed";
import { useLive } from "../live/useLive";
import { useEndOfSession, useSession } from "../session/session";
import { CreateDialog } from "./CreateDialog";
import { DeleteDialog } from "./DeleteDialog";
import { FirstVisit } from "./FirstVisit";
import { NotebookRow } from "./NotebookRow";
import { Summary } from "./Summary";

export function NotebooksPage() {
  const { api } = useSession();
  const [pages, setPages] = useState(1);
  const feed = useMemo(() => new Feed(api, () => performance.now()), [api]);
  const read = useCallback((signal: AbortSignal) => feed.read(pages, signal), [feed, pages]);
  const { data, error, refresh } = useLive(read);
  useEndOfSession(error);
  useEffect(() => {
    document.title = "Notebooks · Quire";
  }, []);
  const [creating, setCreating] = useState(false);
  const heading = useRef<HTMLHeadingElement>(null);
  useKeptFocus(heading, data);

  return (
    <div className="page">
      <div className="page-head">
        <div>
          <h1 ref={heading} tabIndex={-1}>
            Notebooks
          </h1>
          {data === null ? null : <Summary rows={data.rows} />}
        </div>
        {data !== null && data.rows.length > 0 && (
          <button className="button primary" type="button" onClick={() => setCreating(true)}>
            New notebook
          </button>
        )}
      </div>
      <Reach error={error} />
      {data === null ? (
        error === null && <Loading />
      ) : (
        <List data={data} refresh={refresh} create={() => setCreating(true)} />
      )}
      {data?.hasMore && (
        <button className="button more" type="button" onClick={() => setPages(pages + 1)}>
          Show older notebooks
        </button>
      )}
      {creating && <CreateDialog close={() => setCreating(false)} created={refresh} />}
    </div>
  );
}

function Loading() {
  return (
    <div className="loading" role="status">
      <span className="unseen">Reading the notebooks</span>
      <i />
      <i />
      <i />
    </div>
  );
}

interface ListProps {
  data: Snapshot;
  refresh: () => void;
  create: () => void;
}

function List({ data, refresh, create }: ListProps) {
  const notebooks = useMemo(() => data.rows.map(({ notebook }) => notebook), [data]);
  const verbs = useVerbs(notebooks, refresh);
  const [removing, setRemoving] = useState<Notebook | null>(null);
  return (
    <>
      <Announcer rows={data.rows} />
      <Problem verbs={verbs} />
      {data.rows.length === 0 ? (
        <FirstVisit create={create} />
      ) : (
        <table role="table" className="notebooks" aria-label="Notebooks">
          <thead role="rowgroup">
            <tr role="row">
              {["Notebook", "State", "Machine", "Cost so far", "Actions"].map((name) => (
                <th key={name} role="columnheader" scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody role="rowgroup">
            {data.rows.map((row) => (
              <NotebookRow key={row.notebook.id} row={row} verbs={verbs} remove={() => setRemoving(row.notebook)} />
            ))}
          </tbody>
        </table>
      )}
      {removing && <DeleteDialog notebook={removing} verbs={verbs} close={() => setRemoving(null)} />}
    </>
  );
}
