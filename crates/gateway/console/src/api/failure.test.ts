import { expect, test } from "vitest";
import { Refusal, refusal, Unreached } from "./failure";

test("the field that a message names is told apart", () => {
  const named = new Refusal(400, "BAD_REQUEST", "machineType: \"C99\" is unknown: use C3");
  expect([named.field, named.problem]).toEqual(["machineType", "\"C99\" is unknown: use C3"]);
  const plain = new Refusal(409, "CONFLICT", "a notebook named \"first\": already there");
  expect([plain.field, plain.problem]).toEqual([null, plain.message]);
});

test("what is not of the API's shape did not come from it", () => {
  expect(refusal(404, { code: "NOT_FOUND", message: "Not found" })).toBeInstanceOf(Refusal);
  for (const other of ["<html>", null, undefined, { error: "bad gateway" }]) {
    expect(refusal(502, other)).toBeInstanceOf(Unreached);
  }
});
