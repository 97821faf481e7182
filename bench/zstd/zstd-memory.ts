import { readFileSync } from "node:fs";
import { constants, zstdCompress } from "node:zlib";
import { promisify } from "node:util";
import { kernelPages } from "./kernel-pages.ts";
import { compressorParams } from "../../common/zstd.ts";

/**
 * Prints how much memory one residual frame takes to compress at level 19, and what it comes to: with zstd's own tables
 * ("own"), or with those of common/zstd.ts ("bounded"). In a process of its own because memory is counted by process.
 */
const compress = promisify(zstdCompress);

function anonymousBytes(): number {
  return Number(/RssAnon:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024;
}

const [base, current] = kernelPages();
const dictionary = Buffer.concat([Buffer.alloc(8), base, base]);
const bounded = compressorParams(19, current.length, dictionary.length);
const own = { [constants.ZSTD_c_compressionLevel]: 19, [constants.ZSTD_c_windowLog]: bounded[constants.ZSTD_c_windowLog] ?? 22 };
const before = anonymousBytes();
let peak = before;
const timer = setInterval(() => {
  peak = Math.max(peak, anonymousBytes());
}, 5);
const packed = await compress(current, {
  params: process.argv[2] === "own" ? own : bounded,
  pledgedSrcSize: current.length,
  dictionary,
});
clearInterval(timer);
process.stdout.write(`${JSON.stringify({ memory: peak - before, bytes: packed.length })}\n`);
