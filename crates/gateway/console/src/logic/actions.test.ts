import { expect, test } from "vitest";
import type { NotebookState } from "../api/types";
import { actions, look } from "./actions";
import { sampleNotebook, sampleStatus } from "./sample";

test("every state leads to one turn, and only a running notebook opens", () => {
  const table: [NotebookState, "start" | "stop", boolean][] = [
    ["Pending", "stop", false],
    ["Provisioned", "stop", false],
    ["Running", "stop", true],
    ["Stopped", "start", false],
    ["Cancelled", "start", false],
    ["Preempted", "start", false],
    ["Failed", "start", false],
    ["Error", "start", false],
  ];
  for (const [state, turn, opens] of table) {
    const offered = actions(sampleNotebook({ state }), sampleStatus({ state }));
    expect([state, offered.turn, offered.open !== null]).toEqual([state, turn, opens]);
  }
});

test("the token goes into the notebook's own address, written so that it survives", () => {
  const offered = actions(sampleNotebook({ token: "a+b&c" }), sampleStatus());
  expect(offered.open).toBe("http://nb-1.localhost:7701/?token=a%2Bb%26c");
});

test("who may only read gets no address, and nobody before it is known", () => {
  expect(actions(sampleNotebook({ token: null }), sampleStatus()).open).toBeNull();
  expect(actions(sampleNotebook(), null).open).toBeNull();
});

test("a stop that is near can be put off, while it runs", () => {
  const stopsAt = "2026-03-01T14:05:00.000Z";
  expect(actions(sampleNotebook(), sampleStatus({ stopsAt })).stopsAt).toBe(stopsAt);
  expect(actions(sampleNotebook(), sampleStatus()).stopsAt).toBeNull();
  expect(actions(sampleNotebook({ state: "Stopped" }), sampleStatus({ stopsAt })).stopsAt).toBeNull();
});

test("states in need of a person look so", () => {
  expect(look("Failed")).toBe("broken");
  expect(look("Preempted")).toBe("resting");
});
