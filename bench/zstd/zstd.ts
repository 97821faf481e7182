import { join } from "node:path";
import { run } from "../../common/spawn.ts";
import { zstdCompress } from "../../common/zstd.ts";
import { encodeFrame } from "../../protocol/residual/frame-message.ts";
import type { Bench } from "../bench.ts";
import type { Line } from "../line.ts";
import { kernelPages, NEW_BYTES } from "./kernel-pages.ts";

const MEMORY = join(import.meta.dirname, "zstd-memory.ts");

async function memory(tables: "own" | "bounded", signal: AbortSignal): Promise<{ memory: number; bytes: number }> {
  const { stdout } = await run(process.execPath, [MEMORY, tables], { signal });
  return JSON.parse(stdout.toString()) as { memory: number; bytes: number };
}

/** The figures of common/zstd.ts and of the residual's frames. */
export const zstd: Bench = {
  name: "zstd",
  about: "what the dictionary saves in a residual frame, and what compressing one takes",
  async run({ signal }) {
    const [base, current] = kernelPages();
    const lines: Line[] = [];
    for (const level of [3, 9, 19]) {
      const alone = await zstdCompress(current, { level });
      const frame = await encodeFrame(0, current, [base], level);
      lines.push({ what: `1 MiB with ${NEW_BYTES} new bytes, level ${level}`, value: frame.length, unit: "B" });
      lines.push({ what: "  of the same without the dictionary", value: frame.length / alone.length, unit: "" });
    }
    const [own, bounded] = [await memory("own", signal), await memory("bounded", signal)];
    lines.push({ what: "compressing 1 MiB against 2 MiB, level 19, zstd's tables", value: own.memory / 1e6, unit: "MB" });
    lines.push({ what: "  with the tables of common/zstd.ts", value: bounded.memory / 1e6, unit: "MB" });
    lines.push({ what: "  output, of that with zstd's tables", value: bounded.bytes / own.bytes, unit: "" });
    return lines;
  },
};
