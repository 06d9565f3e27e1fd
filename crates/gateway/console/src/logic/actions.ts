// What can be done with a notebook in the state that it is in.

import type { Notebook, NotebookState, NotebookStatus } from "../api/types";

/** How a state looks: on its way somewhere, up, resting, or in need of a person. */
export type Look = "moving" | "up" | "resting" | "broken";

const LOOKS: Record<NotebookState, Look> = {
  Pending: "moving",
  Provisioned: "moving",
  Running: "up",
  Stopped: "resting",
  Cancelled: "resting",
  Preempted: "resting",
  Failed: "broken",
  Error: "broken",
};

export function look(state: NotebookState): Look {
  return LOOKS[state];
}

export interface Actions {
  /** The address with the token that opens it; null while there is nothing to open, or for who may only read. */
  open: string | null;
  /** What turns it on or off. */
  turn: "start" | "stop";
  /** When it will be stopped for being idle, so that it can be extended; null while it will not. */
  stopsAt: string | null;
}

/** `status` is null until it has been read. */
export function actions(notebook: Notebook, status: NotebookStatus | null): Actions {
  const up = notebook.state === "Running";
  const rests = look(notebook.state) === "resting" || look(notebook.state) === "broken";
  return {
    open: up && status !== null && notebook.token !== null ? address(status.url, notebook.token) : null,
    turn: rests ? "start" : "stop",
    stopsAt: (up && status?.stopsAt) || null,
  };
}

function address(url: string, token: string): string {
  const opened = new URL(url);
  opened.searchParams.set("token", token);
  return opened.toString();
}
