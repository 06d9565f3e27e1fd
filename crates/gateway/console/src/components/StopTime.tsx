// When a notebook will be stopped for being idle and why, and the click that puts it off.

import type { Notebook, NotebookStatus } from "../api/types";
import { actions } from "../logic/actions";
import { duration, moment } from "../logic/times";
import { EXTENSION, type Verbs } from "./useVerbs";

interface Props {
  notebook: Notebook;
  status: NotebookStatus | null;
  verbs: Verbs;
}

export function StopTime({ notebook, status, verbs }: Props) {
  const { stopsAt } = actions(notebook, status);
  if (stopsAt === null) return null;
  const busy = verbs.underWay(notebook) !== null;
  return (
    <p className="stop-time">
      <span>
        Stops at <time dateTime={stopsAt}>{moment(stopsAt, new Date())}</time>
        {status?.stopsBecause ? `: ${status.stopsBecause}` : ""}
      </span>{" "}
      <button className="button small" type="button" aria-disabled={busy} onClick={() => void (busy || verbs.ask("extend", notebook))}>
        Keep for {duration(EXTENSION)}
        <span className="unseen"> {notebook.name}</span>
      </button>
    </p>
  );
}
