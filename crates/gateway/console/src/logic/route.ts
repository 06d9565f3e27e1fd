// Where in the console somebody is: behind the #, so that the gateway serves one page and every other path stays the API's.

import { useSyncExternalStore } from "react";

export type Route = { page: "notebooks" } | { page: "notebook"; id: string };

/** Reads the part of an address from the # on. What nobody knows is the first page. */
export function read(hash: string): Route {
  const [noun, id, ...rest] = hash.replace(/^#?\/?/, "").split("/");
  if (noun === "notebooks" && id !== undefined && id !== "" && rest.length === 0) {
    try {
      return { page: "notebook", id: decodeURIComponent(id) };
    } catch {
      return { page: "notebooks" };
    }
  }
  return { page: "notebooks" };
}

/** The address of a route, for links. */
export function href(route: Route): string {
  return route.page === "notebook" ? `#/notebooks/${encodeURIComponent(route.id)}` : "#/notebooks";
}

export function go(route: Route): void {
  window.location.hash = href(route);
}

function listen(changed: () => void): () => void {
  window.addEventListener("hashchange", changed);
  return () => window.removeEventListener("hashchange", changed);
}

/** The current route. */
export function useRoute(): Route {
  return read(useSyncExternalStore(listen, () => window.location.hash));
}
