// A machine type in words.

import type { MachineType } from "../api/types";

const MIB_IN_GIB = 1_024;

/** "2 cores, 4 GiB", with its GPUs where it has some. */
export function machine(type: MachineType): string {
  const cores = type.milliCores / 1_000;
  const parts = [`${cores} ${cores === 1 ? "core" : "cores"}`, memory(type.memoryMib)];
  if (type.gpus > 0) parts.unshift(`${type.gpus} × ${type.gpuModel ?? "GPU"} ${memory(type.gpuMemoryMib)}`);
  return parts.join(", ");
}

function memory(mib: number): string {
  return mib < MIB_IN_GIB ? `${mib} MiB` : `${Math.round((mib / MIB_IN_GIB) * 10) / 10} GiB`;
}
