// The nouns of the API that the console shows, by the names of its OpenAPI document.

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Notebook = Schemas["Notebook"];
export type NotebookState = Schemas["NotebookState"];
export type NewNotebook = Schemas["NewNotebook"];
export type MachineType = Schemas["MachineType"];
export type Environment = Schemas["Environment"];
export type Template = Schemas["Template"];
export type Price = Schemas["Price"];
export type UsageLine = Schemas["UsageLine"];
export type Money = Schemas["Money"];
export type Event = Schemas["Event"];
export type Session = Schemas["Session"];
export type NotebookStatus = Schemas["NotebookStatus"];
