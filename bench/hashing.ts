import { randomFillSync } from "node:crypto";
import { run } from "../common/spawn.ts";
import { BLOCK_BYTES } from "../syncer/index.ts";
import { HashScratch } from "../syncer/hash-jobs.ts";
import type { Bench } from "./bench.ts";
import { bytesPerSecond } from "./processor-time.ts";

const MIB = 1024 * 1024;
/** Ours and theirs take turns, so that a processor that changes its clock does so for both. */
const ROUNDS = 3;

async function opensslRate(signal: AbortSignal): Promise<number> {
  const args = ["speed", "-bytes", String(BLOCK_BYTES), "-seconds", "1", "-evp", "sha1"];
  const { stdout } = await run("openssl", args, { signal });
  return Number(/sha1\s+([\d.]+)k/i.exec(stdout.toString())?.[1]) * 1000;
}

/** SHA-1 as a hash worker computes it, on data in memory. */
export const hashing: Bench = {
  name: "hashing",
  about: "SHA-1 of 4 KiB blocks against openssl speed",
  async run({ signal }) {
    const scratch = new HashScratch();
    const data = randomFillSync(Buffer.alloc(MIB));
    let [ours, openssl] = [0, 0];
    for (let round = 0; round < ROUNDS; round++) {
      ours = Math.max(ours, bytesPerSecond(() => {
        scratch.run({ kind: "blocks", piece: { kind: "data", data } });
        return data.length;
      }, 1000));
      openssl = Math.max(openssl, await opensslRate(signal));
    }
    return [
      { what: "SHA-1 of 4 KiB blocks, one thread", value: ours / 1e6, unit: "MB/s" },
      { what: "of openssl speed", value: ours / openssl, unit: "", limit: { atLeast: 0.8 } },
    ];
  },
};
