// The list of notebooks as the console shows it: each with why it is where it is, and what it costs.

import { Refusal } from "../api/failure";
import type { Notebook, NotebookStatus, Price, UsageLine } from "../api/types";
import { look } from "../logic/actions";
import { Kept } from "./kept";

/** What money is read again after, while nothing changes, in milliseconds. */
export const MONEY_AGE = 10_000;
/** The same for why a running notebook runs. */
const STATUS_AGE = 10_000;

export interface Row {
  notebook: Notebook;
  /** Null until it has been read. */
  status: NotebookStatus | null;
  /** What it cost since it was made, in millionths; null where the key may not see that. */
  cost: bigint | null;
  /** What it costs in an hour while it runs; null where that is not known. */
  price: Price | null;
}

export interface Snapshot {
  rows: Row[];
  /** There are older notebooks that were not asked for. */
  hasMore: boolean;
}

/** The calls that the list is made of. */
export interface Source {
  notebooks(after: string | undefined, signal: AbortSignal): Promise<{ items: Notebook[]; hasMore: boolean; nextPage?: string | null }>;
  status(id: string, signal: AbortSignal): Promise<NotebookStatus>;
  usage(from: string, signal: AbortSignal): Promise<{ lines: UsageLine[] }>;
  prices(signal: AbortSignal): Promise<{ items: Price[] }>;
}

interface MoneyRead {
  costs: Map<string, bigint> | null;
  prices: Map<string, Price>;
}

/** Nothing where the key may not ask; other failures are failures. */
export async function whereAllowed<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Refusal && (error.status === 403 || error.status === 404)) return null;
    throw error;
  }
}

/** What each resource cost, in millionths. */
export function costs(lines: UsageLine[]): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const line of lines) {
    sums.set(line.resourceId, (sums.get(line.resourceId) ?? 0n) + BigInt(line.amount.micros));
  }
  return sums;
}

export class Feed {
  readonly #source: Source;
  readonly #clock: () => number;
  readonly #money = new Kept<MoneyRead>();
  #statuses = new Map<string, Kept<NotebookStatus | null>>();

  /** `clock` gives milliseconds. */
  constructor(source: Source, clock: () => number) {
    this.#source = source;
    this.#clock = clock;
  }

  /** Reads the newest `pages` pages. */
  async read(pages: number, signal: AbortSignal): Promise<Snapshot> {
    const { notebooks, hasMore } = await this.#list(pages, signal);
    const [money, statuses] = await Promise.all([
      this.#readMoney(notebooks, signal),
      Promise.all(notebooks.map((notebook) => this.#status(notebook, signal))),
    ]);
    this.#forgetOthers(notebooks);
    const rows = notebooks.map((notebook, place) => ({
      notebook,
      status: statuses[place] ?? null,
      cost: money.costs === null ? null : (money.costs.get(notebook.id) ?? 0n),
      price: money.prices.get(notebook.machineType ?? "") ?? null,
    }));
    return { rows, hasMore };
  }

  async #list(pages: number, signal: AbortSignal): Promise<{ notebooks: Notebook[]; hasMore: boolean }> {
    const notebooks: Notebook[] = [];
    let after: string | undefined;
    for (let page = 0; page < pages; page += 1) {
      const list = await this.#source.notebooks(after, signal);
      notebooks.push(...list.items);
      after = list.nextPage ?? undefined;
      if (!list.hasMore || after === undefined) return { notebooks, hasMore: false };
    }
    return { notebooks, hasMore: true };
  }

  #status(notebook: Notebook, signal: AbortSignal): Promise<NotebookStatus | null> {
    const kept = this.#statuses.get(notebook.id) ?? new Kept();
    this.#statuses.set(notebook.id, kept);
    const ages = { moving: 0, up: STATUS_AGE, resting: Infinity, broken: Infinity };
    const ask = () => whereAllowed(this.#source.status(notebook.id, signal));
    return kept.get(`${notebook.state} ${notebook.dtModified}`, ages[look(notebook.state)], this.#clock(), ask);
  }

  #readMoney(notebooks: Notebook[], signal: AbortSignal): Promise<MoneyRead> {
    const mark = notebooks.map((notebook) => `${notebook.id} ${notebook.state}`).join();
    return this.#money.get(mark, MONEY_AGE, this.#clock(), async () => {
      const oldest = notebooks.reduce<string | null>(
        (first, { dtCreated }) => (first === null || dtCreated < first ? dtCreated : first),
        null,
      );
      const [usage, prices] = await Promise.all([
        oldest === null ? { lines: [] } : whereAllowed(this.#source.usage(oldest, signal)),
        whereAllowed(this.#source.prices(signal)),
      ]);
      return {
        costs: usage === null ? null : costs(usage.lines),
        prices: new Map(prices?.items.map((price) => [price.machineType, price])),
      };
    });
  }

  #forgetOthers(notebooks: Notebook[]): void {
    const known = new Set(notebooks.map((notebook) => notebook.id));
    this.#statuses = new Map([...this.#statuses].filter(([id]) => known.has(id)));
  }
}
