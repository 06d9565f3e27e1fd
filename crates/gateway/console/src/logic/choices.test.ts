import { expect, test } from "vitest";
import type { Template } from "../api/types";
import { templateChoices } from "./choices";

const template = (name: string, more: Partial<Template>): Template => ({
  id: null,
  teamId: null,
  name,
  description: `About ${name}`,
  environment: "python",
  needsGpu: false,
  command: "",
  files: [],
  notebookId: null,
  userId: null,
  dtCreated: null,
  ...more,
});

test("one can begin with nothing, then come the team's own templates", () => {
  const choices = templateChoices([template("rapids", { needsGpu: true }), template("zoo", { id: "tp-1", teamId: "te-1" })]);
  expect(choices.map(({ value }) => value)).toEqual(["", "zoo", "rapids"]);
  expect(choices[1]).toEqual({ value: "zoo", name: "zoo", note: "Your team’s · About zoo", side: "python" });
  expect(choices[2]?.note).toBe("About rapids · needs a GPU");
});
