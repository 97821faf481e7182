import { HomewardError } from "../../common/errors.ts";
import type { Progress } from "../../common/progress.ts";
import { exited, start } from "../../common/spawn.ts";

export interface DiskComparison {
  readonly identical: boolean;
  /** What qemu-img said. */
  readonly said: string;
}

const MAX_SAID = 2000;

/** A chain of qcow2 layers as one image, every layer named by path. @param layers top first */
export function chainName(layers: readonly string[]): string {
  const chain = layers.reduceRight<object | null>(
    (backing, filename) => ({ driver: "qcow2", file: { driver: "file", filename }, backing }),
    null,
  );
  return `json:${JSON.stringify(chain)}`;
}

/** Percentage in the latest of qemu-img's progress texts, "    (12.34/100%)". */
export function latestPercent(text: string): number | undefined {
  const found = [...text.matchAll(/\((\d+(?:\.\d+)?)\/100%\)/g)].at(-1)?.[1];
  return found === undefined ? undefined : Number(found);
}

/**
 * Compares every block of two disks by `qemu-img compare`: unallocated and zero blocks count as what a guest would read.
 * @throws GUEST if qemu-img cannot read one of them
 */
export async function compareDisks(
  first: readonly string[],
  second: readonly string[],
  bytes: number,
  progress: Progress,
  signal: AbortSignal,
): Promise<DiskComparison> {
  const child = await start("qemu-img", ["compare", "-p", chainName(first), chainName(second)]);
  const onAbort = (): void => {
    child.kill("SIGKILL");
  };
  signal.addEventListener("abort", onAbort, { once: true });
  let said = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    const text = chunk.toString();
    const percent = latestPercent(text);
    if (percent !== undefined)
      progress.update({ phase: "disk", done: Math.round((bytes * percent) / 100), total: bytes, unit: "bytes" });
    said = (said + text.replace(/\s*\([\d.]+\/100%\)\r?/g, "")).slice(-MAX_SAID);
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-MAX_SAID);
  });
  const status = await exited(child);
  signal.removeEventListener("abort", onAbort);
  // qemu-img(1): 0 identical, 1 different, more is an error.
  if (status === 0 || status === 1) return { identical: status === 0, said: said.trim() };
  throw new HomewardError("GUEST", `qemu-img compare failed (${status}): ${said.trim()}`);
}
