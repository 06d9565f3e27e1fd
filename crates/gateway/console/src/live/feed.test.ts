import { expect, test } from "vitest";
import { Refusal, Unreached } from "../api/failure";
import type { Notebook, Price, UsageLine } from "../api/types";
import { sampleNotebook, sampleStatus } from "../logic/sample";
import { changes } from "./changes";
import { Feed, type Source } from "./feed";
import { pauseAfter } from "./pace";

const signal = new AbortController().signal;

/** A source that counts what it is asked. */
class Played implements Source {
  items: Notebook[] = [sampleNotebook()];
  asked: string[] = [];
  refusal: Error | null = null;
  pages = 1;

  async notebooks(after: string | undefined) {
    this.asked.push("notebooks");
    const page = Number(after ?? "0") + 1;
    const more = page < this.pages;
    return { items: this.items.map((one) => ({ ...one, id: `${one.id}-${page}` })), hasMore: more, ...(more ? { nextPage: `${page}` } : {}) };
  }

  async status(id: string) {
    this.asked.push("status");
    return sampleStatus({ id });
  }

  async usage(from: string) {
    this.asked.push(`usage ${from}`);
    if (this.refusal !== null) throw this.refusal;
    const line = (micros: number) => ({ resourceId: "nb-1-1", amount: { micros, currency: "USD", decimal: "" } }) as UsageLine;
    return { lines: [line(1_000), line(2_000)] };
  }

  async prices() {
    this.asked.push("prices");
    return { items: [{ machineType: "C3", pricePerHour: "0.018", nanosPerHour: 18_000_000, currency: "USD" } as Price] };
  }
}

function started() {
  const source = new Played();
  const time = { now: 0 };
  const feed = new Feed(source, () => time.now);
  const asked = async () => {
    source.asked = [];
    const snapshot = await feed.read(1, signal);
    return { snapshot, asked: source.asked };
  };
  return { source, time, asked };
}

test("a notebook has its reason, the sum of its runs, and its price", async () => {
  const { asked } = started();
  const { snapshot, asked: first } = await asked();
  expect(first.sort()).toEqual(["notebooks", "prices", "status", "usage 2026-03-01T12:00:00.000Z"]);
  const [row] = snapshot.rows;
  expect(row?.status?.reason).toBe("it answers");
  expect(row?.cost).toBe(3_000n);
  expect(row?.price?.pricePerHour).toBe("0.018");
});

test("what has not changed is not asked again before it is old", async () => {
  const { source, time, asked } = started();
  await asked();
  time.now = 2_000;
  expect((await asked()).asked).toEqual(["notebooks"]);
  time.now = 10_000;
  expect((await asked()).asked.length).toBe(4);
  source.items = [sampleNotebook({ state: "Stopped", dtModified: "2026-03-01T13:00:00.000Z" })];
  expect((await asked()).asked.length).toBe(4);
  time.now = 19_999;
  expect((await asked()).asked).toEqual(["notebooks"]);
  time.now = 10_000_000;
  expect((await asked()).asked).not.toContain("status");
});

test("what is on its way is asked every time", async () => {
  const { source, asked } = started();
  source.items = [sampleNotebook({ state: "Pending" })];
  await asked();
  expect((await asked()).asked).toEqual(["notebooks", "status"]);
});

test("who may not see the usage sees the notebooks; when nobody answers that is a failure", async () => {
  const { source, asked } = started();
  source.refusal = new Refusal(403, "FORBIDDEN", "needs billing:read");
  expect((await asked()).snapshot.rows[0]?.cost).toBeNull();
  const other = started();
  other.source.refusal = new Unreached();
  await expect(other.asked()).rejects.toThrow(Unreached);
});

test("pages are read as far as they are asked for", async () => {
  const source = new Played();
  source.pages = 3;
  const feed = new Feed(source, () => 0);
  const two = await feed.read(2, signal);
  expect([two.rows.length, two.hasMore]).toEqual([2, true]);
  const all = await feed.read(5, signal);
  expect([all.rows.length, all.hasMore]).toEqual([3, false]);
});

test("changes are told in words, the first reading is none", () => {
  const row = (changed: Partial<Notebook>) => ({ notebook: sampleNotebook(changed), status: null, cost: null, price: null });
  const before = [row({}), row({ id: "nb-2", name: "second" })];
  expect(changes(null, before)).toEqual([]);
  expect(changes(before, before)).toEqual([]);
  const after = [row({ state: "Stopped" }), row({ id: "nb-3", name: "third", state: "Pending" })];
  expect(changes(before, after)).toEqual(["first is Stopped", "third was created: Pending", "second is deleted"]);
});

test("pauses grow while nobody answers, to half a minute at most", () => {
  expect([0, 1, 2, 3, 4, 50].map(pauseAfter)).toEqual([2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
});
