import { expect, test } from "vitest";
import { ago, duration, moment } from "./times";

test("lengths have their two largest units", () => {
  expect(duration(0)).toBe("0 s");
  expect(duration(59.9)).toBe("59 s");
  expect(duration(60)).toBe("1 min");
  expect(duration(3_600)).toBe("1 h");
  expect(duration(7_530)).toBe("2 h 5 min");
  expect(duration(93_600)).toBe("1 d 2 h");
  expect(duration(-5)).toBe("0 s");
});

test("what was is told by its largest unit", () => {
  const now = new Date("2026-03-01T12:00:00Z");
  expect(ago("2026-03-01T11:59:30Z", now)).toBe("just now");
  expect(ago("2026-03-01T12:00:09Z", now)).toBe("just now");
  expect(ago("2026-03-01T09:50:00Z", now)).toBe("2 h ago");
  expect(ago("2026-02-20T12:00:00Z", now)).toBe("9 d ago");
});

test("moments of today have no date", () => {
  const now = new Date(2026, 2, 1, 12, 0);
  expect(moment(new Date(2026, 2, 1, 14, 5).toISOString(), now)).toBe("14:05");
  expect(moment(new Date(2026, 2, 2, 14, 5).toISOString(), now)).toBe("2 Mar 2026, 14:05");
});
