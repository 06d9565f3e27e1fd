// What a new notebook can be made of, as choices.

import type { MachineType, Price, Template } from "../api/types";
import type { Choice } from "../components/Field";
import { machine } from "./machine";
import { price } from "./money";

/** The machine types that some node can host, with what an hour costs. */
export function machineChoices(machines: MachineType[], prices: Map<string, Price>): Choice[] {
  return machines.map((one) => {
    const cost = prices.get(one.name);
    const told = cost === undefined ? "" : `${price(cost.pricePerHour, cost.currency)} an hour`;
    return { value: one.name, name: one.name, note: machine(one), side: one.free ? "free" : told };
  });
}

/** Value of the choice to begin without a template. */
export const NO_TEMPLATE = "";

/** The team's own come first, and before them to begin with nothing. */
export function templateChoices(templates: Template[]): Choice[] {
  const own = templates.filter(({ teamId }) => teamId !== null);
  const others = templates.filter(({ teamId }) => teamId === null);
  const choices = [...own, ...others].map((one) => ({
    value: one.name,
    name: one.name,
    note: [one.teamId === null ? [] : "Your team’s", one.description, one.needsGpu ? "needs a GPU" : []].flat().join(" · "),
    side: one.environment,
  }));
  return [{ value: NO_TEMPLATE, name: "Nothing", note: "No files; in the environment below", side: "" }, ...choices];
}
