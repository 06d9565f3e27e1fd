// The REST calls that the console makes, typed by the gateway's OpenAPI document.

import createClient from "openapi-fetch";
import { refusal, Unreached } from "./failure";
import type { paths } from "./schema";
import type { NewNotebook } from "./types";

/** Most items of a list that the API gives at once. */
const PAGE = 120;

interface Outcome<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

async function answer<T>(asked: Promise<Outcome<T>>): Promise<T> {
  let outcome: Outcome<T>;
  try {
    outcome = await asked;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Unreached();
  }
  if (!outcome.response.ok || outcome.data === undefined) {
    throw refusal(outcome.response.status, outcome.error);
  }
  return outcome.data;
}

export type Api = ReturnType<typeof connect>;

/** The API as the owner of `key` sees it. The key travels in a header, never in an address. */
export function connect(key: string, baseUrl = window.location.origin) {
  const http = createClient<paths>({
    baseUrl,
    headers: { Authorization: `Bearer ${key}` },
    cache: "no-store",
    credentials: "omit",
  });
  const one = (id: string) => ({ path: { id } });
  return {
    session: (signal: AbortSignal) => answer(http.GET("/v1/auth/session", { signal })),
    notebooks: (after: string | undefined, signal: AbortSignal) =>
      answer(
        http.GET("/v1/notebooks", {
          params: { query: { limit: PAGE, ...(after === undefined ? {} : { after }) } },
          signal,
        }),
      ),
    notebook: (id: string, signal: AbortSignal) =>
      answer(http.GET("/v1/notebooks/{id}", { params: one(id), signal })),
    status: (id: string, signal: AbortSignal) =>
      answer(http.GET("/v1/notebooks/{id}/status", { params: one(id), signal })),
    create: (notebook: NewNotebook, idempotencyKey: string) =>
      answer(
        http.POST("/v1/notebooks", {
          params: { header: { "Idempotency-Key": idempotencyKey } },
          body: notebook,
        }),
      ),
    start: (id: string) => answer(http.POST("/v1/notebooks/{id}/start", { params: one(id) })),
    stop: (id: string) => answer(http.POST("/v1/notebooks/{id}/stop", { params: one(id) })),
    remove: (id: string) => answer(http.DELETE("/v1/notebooks/{id}", { params: one(id) })),
    /** Keeps a notebook from being stopped for being idle, for so long from now. */
    extend: (id: string, seconds: number) =>
      answer(http.POST("/v1/notebooks/{id}/extend", { params: one(id), body: { seconds } })),
    machineTypes: (signal: AbortSignal) =>
      answer(http.GET("/v1/machine-types", { params: { query: { limit: PAGE } }, signal })),
    environments: (signal: AbortSignal) =>
      answer(http.GET("/v1/environments", { params: { query: { limit: PAGE } }, signal })),
    templates: (signal: AbortSignal) =>
      answer(http.GET("/v1/templates", { params: { query: { limit: PAGE } }, signal })),
    prices: (signal: AbortSignal) =>
      answer(http.GET("/v1/prices", { params: { query: { limit: PAGE } }, signal })),
    usage: (from: string, signal: AbortSignal) =>
      answer(http.GET("/v1/usage", { params: { query: { from } }, signal })),
    events: (object: string, signal: AbortSignal) =>
      answer(http.GET("/v1/events", { params: { query: { object, limit: 40 } }, signal })),
  };
}
