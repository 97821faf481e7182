import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { BranchCounter, type Branches } from "./branches.ts";
import type { FuzzOptions, FuzzResult } from "./run.ts";

/** Works through some parsers in a thread of its own, whose memory is limited and which can be ended when it hangs. */

export type FuzzTask = FuzzOptions & { readonly parser: string };

export interface FuzzOrder {
  readonly tasks: readonly FuzzTask[];
  readonly branches: boolean;
  /** How many inputs were begun, and the number of the one that is being tried. */
  readonly at: Int32Array;
}

export type FuzzReport = FuzzResult & { readonly branches: Branches | null };

const { tasks, branches, at } = workerData as FuzzOrder;
const counter = branches ? await BranchCounter.start() : null;
// Only now, so that what they load is counted.
const { AllocationMeter } = await import("./allocations.ts");
const { fuzz } = await import("./run.ts");
const { PARSERS } = await import("./parsers/index.ts");
const meter = new AllocationMeter();
const onInput = (index: number): void => {
  Atomics.add(at, 0, 1);
  Atomics.store(at, 1, index);
};
for (const task of tasks) {
  const fuzzed = PARSERS[task.parser];
  if (fuzzed === undefined) throw new Error(`there is no parser ${task.parser}`);
  const dir = await mkdtemp(join(tmpdir(), "hw-fuzz-"));
  try {
    const parser = fuzzed.make(dir);
    const result = await fuzz(parser, task, meter, onInput);
    const reached = await counter?.take(parser.code, (file) => readFile(file, "utf8"));
    parentPort?.postMessage({ ...result, branches: reached ?? null } satisfies FuzzReport);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
