import { expect, test } from "vitest";
import { href, read, type Route } from "./route";

test("routes survive being written and read", () => {
  const routes: Route[] = [{ page: "notebooks" }, { page: "notebook", id: "nb-1" }, { page: "notebook", id: "a/b ü#?" }];
  for (const route of routes) expect(read(href(route))).toEqual(route);
});

test("what nobody knows is the first page", () => {
  for (const hash of ["", "#", "#/", "#/nothing", "#/notebooks/", "#/notebooks/a/b", "#/notebooks/%E0%A4%A"]) {
    expect(read(hash)).toEqual({ page: "notebooks" });
  }
});
