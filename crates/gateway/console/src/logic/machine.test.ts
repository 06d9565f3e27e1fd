import { expect, test } from "vitest";
import type { MachineType } from "../api/types";
import { machine } from "./machine";

const type = (changes: Partial<MachineType>) => ({ milliCores: 2_000, memoryMib: 4_096, gpus: 0, gpuModel: null, gpuMemoryMib: 0, ...changes }) as MachineType;

test("sizes are told in units that people use", () => {
  expect(machine(type({}))).toBe("2 cores, 4 GiB");
  expect(machine(type({ milliCores: 500, memoryMib: 512 }))).toBe("0.5 cores, 512 MiB");
  expect(machine(type({ milliCores: 1_000, memoryMib: 1_536 }))).toBe("1 core, 1.5 GiB");
  const gpus = type({ milliCores: 12_000, memoryMib: 92_160, gpus: 8, gpuModel: "A100", gpuMemoryMib: 81_920 });
  expect(machine(gpus)).toBe("8 × A100 80 GiB, 12 cores, 90 GiB");
});
