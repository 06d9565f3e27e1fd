// One notebook with all that is known about it: why it is where it is, what each run cost, what happened.

import type { Event, Notebook, NotebookStatus, Price, UsageLine } from "../api/types";
import { costs, MONEY_AGE, type Row, whereAllowed } from "./feed";
import { Kept } from "./kept";

export interface Story extends Row {
  /** Its runs, the newest first; empty where the key may not see them. */
  runs: UsageLine[];
  /** What happened, the newest first; empty where the key may not see it. */
  events: Event[];
}

/** The calls that a story is made of. */
export interface StorySource {
  notebook(id: string, signal: AbortSignal): Promise<Notebook>;
  status(id: string, signal: AbortSignal): Promise<NotebookStatus>;
  usage(from: string, signal: AbortSignal): Promise<{ lines: UsageLine[] }>;
  prices(signal: AbortSignal): Promise<{ items: Price[] }>;
  events(object: string, signal: AbortSignal): Promise<{ items: Event[] }>;
}

type Slow = Pick<Story, "cost" | "price" | "runs" | "events">;

/** Gives a function that reads the story of `id`. `clock` gives milliseconds. */
export function storyOf(source: StorySource, id: string, clock: () => number): (signal: AbortSignal) => Promise<Story> {
  const kept = new Kept<Slow>();
  return async (signal) => {
    const [notebook, status] = await Promise.all([source.notebook(id, signal), source.status(id, signal)]);
    const mark = `${notebook.state} ${status.revision}`;
    const slow = await kept.get(mark, MONEY_AGE, clock(), () => readSlow(source, notebook, signal));
    return { notebook, status, ...slow };
  };
}

async function readSlow(source: StorySource, notebook: Notebook, signal: AbortSignal): Promise<Slow> {
  const [usage, prices, events] = await Promise.all([
    whereAllowed(source.usage(notebook.dtCreated, signal)),
    whereAllowed(source.prices(signal)),
    whereAllowed(source.events(notebook.id, signal)),
  ]);
  const own = (usage?.lines ?? []).filter(({ resourceId }) => resourceId === notebook.id);
  return {
    cost: usage === null ? null : (costs(own).get(notebook.id) ?? 0n),
    price: prices?.items.find(({ machineType }) => machineType === notebook.machineType) ?? null,
    runs: own.reverse(),
    events: events?.items ?? [],
  };
}
