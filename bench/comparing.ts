import { randomFillSync } from "node:crypto";
import { open } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { run } from "../common/spawn.ts";
import { BLOCK_BYTES, dirtyBlocks, HashPool, openFileBlocks } from "../syncer/index.ts";
import type { Bench } from "./bench.ts";

const MIB = 1024 * 1024;
const DEVICE_BYTES = 1024 * MIB;
const ROUNDS = 6;

/** memcmp over two buffers that no cache holds, in as many threads as the hash pool has; bytes a second of one side. */
const MEMCMP = `
  const { parentPort } = require("node:worker_threads");
  const [left, right] = [Buffer.alloc(256 * 1024 * 1024, 1), Buffer.alloc(256 * 1024 * 1024, 1)];
  parentPort.on("message", () => {
    for (let at = 0; at < left.length; at += 65536)
      if (left.compare(right, at, at + 65536, at, at + 65536) !== 0) throw new Error("not equal");
    parentPort.postMessage(left.length);
  });
  parentPort.postMessage(0);
`;

async function answer(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

/**
 * How many bytes of one side a second, the best of the rounds: of the clock, and of all this process's threads' processor
 * time together, which other programs do not disturb.
 */
interface Rate {
  byClock: number;
  byProcessor: number;
}

/** Each work in turn, round after round, so that all meet the same disturbances. @param works give the bytes they compared */
async function rates(works: readonly (() => Promise<number>)[]): Promise<Rate[]> {
  const best = works.map((): Rate => ({ byClock: 0, byProcessor: 0 }));
  for (let round = 0; round <= ROUNDS; round++)
    for (const [i, work] of works.entries()) {
      const [startMs, used] = [performance.now(), process.cpuUsage()];
      const bytes = await work();
      const { user, system } = process.cpuUsage(used);
      const rate = best[i];
      // The first round warms up.
      if (round === 0 || rate === undefined) continue;
      rate.byClock = Math.max(rate.byClock, (bytes * 1000) / (performance.now() - startMs));
      rate.byProcessor = Math.max(rate.byProcessor, (bytes * 1e6) / (user + system));
    }
  return best;
}

/** Threads that compare memory with memory, all at once. */
async function memcmpWorkers(count: number): Promise<Worker[]> {
  const workers = Array.from({ length: count }, () => new Worker(MEMCMP, { eval: true }));
  await Promise.all(workers.map(answer));
  return workers;
}

async function memcmp(workers: readonly Worker[]): Promise<number> {
  const bytes = await Promise.all(
    workers.map((worker) => {
      worker.postMessage("again");
      return answer(worker);
    }),
  );
  return bytes.reduce((a, b) => a + b, 0);
}

async function writeTwice(dir: string): Promise<[string, string]> {
  const paths: [string, string] = [join(dir, "base"), join(dir, "current")];
  const chunk = randomFillSync(Buffer.alloc(4 * MIB));
  for (const path of paths) {
    const file = await open(path, "w");
    for (let at = 0; at < DEVICE_BYTES; at += chunk.length) await file.write(chunk, 0, chunk.length, at);
    await file.close();
  }
  return paths;
}

/** How fast RAM that did not change is recognised, files in memory. */
export const comparing: Bench = {
  name: "comparing",
  about: "finding RAM that did not change against memcmp in memory, and against cmp",
  async run({ dir, cleanUp, signal }) {
    const [left, right] = await writeTwice(dir);
    const [base, current] = [await openFileBlocks(left), await openFileBlocks(right)];
    const pool = HashPool.create();
    const workers = await memcmpWorkers(availableParallelism());
    cleanUp(async () => {
      await Promise.all([base.close(), current.close(), pool.close(), ...workers.map((worker) => worker.terminate())]);
    });
    const [ours, cmp, inMemory] = (await rates([
      async () => (await dirtyBlocks(current, base, pool, { signal })).blocks * BLOCK_BYTES,
      async () => run("cmp", ["--", left, right], { signal }).then(() => DEVICE_BYTES),
      () => memcmp(workers),
    ])) as [Rate, Rate, Rate];
    return [
      { what: `${DEVICE_BYTES / MIB} MiB of unchanged RAM`, value: ours.byClock / 1e6, unit: "MB/s" },
      { what: "  of cmp", value: ours.byClock / cmp.byClock, unit: "" },
      { what: "  a second of processor time", value: ours.byProcessor / 1e6, unit: "MB/s" },
      { what: "  of memcmp, nothing read from files", value: ours.byProcessor / inMemory.byProcessor, unit: "", limit: { atLeast: 0.5 } },
    ];
  },
};
