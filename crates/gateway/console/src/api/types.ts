// The nouns of the API that the console shows, by the names of its OpenAPI document.

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Notebook = Schemas["Notebook"];
export type NotebookState = Schemas["NotebookState"];
export type NewNotebook = Schemas["NewNotebook"];
export type MachineType = Schemas["MachineType"];
export type Environment = Schemas["Environment"];
export type Price = Schemas["Price"];
export type UsageLine = Schemas["UsageLine"];
export type Money = Schemas["Money"];
export type Event = Schemas["Event"];
export type Session = Schemas["Session"];

/** Why a notebook is where it is. */
export type NotebookStatus = Schemas["NotebookStatus"] & StopTime;

/** When and why a notebook will be stopped for being idle: there once the gateway tells it, and then in the document too. */
export interface StopTime {
  stopsAt?: string | null;
  stopsBecause?: string | null;
  /** Until when somebody extended it. */
  keptUntil?: string | null;
}
