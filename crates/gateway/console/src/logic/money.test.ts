import { expect, test } from "vitest";
import { amount, decimal, exactAmount, price, sumOfRates } from "./money";

test("integers become decimal text without loss", () => {
  expect(decimal(4_500n, 6)).toBe("0.004500");
  expect(decimal(0n, 6)).toBe("0.000000");
  expect(decimal(-1n, 6)).toBe("-0.000001");
  expect(decimal(9_007_199_254_740_993n, 6)).toBe("9007199254.740993");
});

test("amounts are rounded for reading and exact where that is asked", () => {
  expect(amount(0n, "USD")).toBe("$0.00");
  expect(amount(4_512n, "USD")).toBe("$0.0045");
  expect(amount(1_234_567n, "USD")).toBe("$1.23");
  expect(exactAmount(4_512n, "USD")).toBe("$0.004512");
  expect(exactAmount(9_007_199_254_740_993n, "EUR")).toBe("€9,007,199,254.740993");
});

test("prices keep every digit that they have, and no less than two", () => {
  expect(price("0.018", "USD")).toBe("$0.018");
  expect(price("2", "USD")).toBe("$2.00");
  expect(price("0.000000001", "USD")).toBe("$0.000000001");
});

test("rates add up exactly: 0.1 + 0.2 is 0.3", () => {
  expect(sumOfRates([100_000_000, 200_000_000], "USD")).toBe("$0.30");
  expect(sumOfRates([], "USD")).toBe("$0.00");
});
