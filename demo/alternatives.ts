import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { constants, createZstdCompress } from "node:zlib";
import type { Progress } from "../common/progress.ts";
import type { MigrationReport } from "../protocol/report.ts";
import type { DemoContext } from "./context.ts";
import type { Host } from "./host.ts";
import { UNLIMITED } from "./link/speed.ts";
import type { TwoHosts } from "./two-hosts.ts";
import { readStoredGeneration } from "./verify/stored-generation.ts";
import { WORKSPACE } from "./workspace-name.ts";

/** Level of a plain stop-and-copy: fast enough for any link, as tools choose by default. */
const STOP_AND_COPY_LEVEL = 3;

/** What the same state costs in other ways, in bytes. */
export interface Alternatives {
  readonly stopAndCopyBytes: number;
  readonly overlayBytes: number;
  /** The rehearsal that `overlayBytes` was counted in. */
  readonly overlayReport: MigrationReport;
}

async function compressedBytes(path: string, progress: Progress, signal: AbortSignal): Promise<number> {
  const compress = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: STOP_AND_COPY_LEVEL } });
  let read = 0;
  let written = 0;
  const source = createReadStream(path, { highWaterMark: 1024 * 1024 });
  source.on("data", (chunk) => {
    read += chunk.length;
    progress.update({ phase: "stop-and-copy", done: read, unit: "bytes" });
  });
  await pipeline(
    source,
    compress,
    async (chunks) => {
      for await (const chunk of chunks) written += (chunk as Buffer).length;
    },
    { signal },
  );
  return written;
}

/** Stop-and-copy: all of RAM, the device state and the disk overlay that the session wrote, each compressed. */
export async function stopAndCopy(host: Host, root: string, progress: Progress, signal: AbortSignal): Promise<number> {
  const { ram, device, layers } = await readStoredGeneration(host.stateDir, root);
  const [overlay] = layers;
  let total = 0;
  for (const path of [ram, device, ...(overlay === undefined ? [] : [overlay])])
    total += await compressedBytes(path, progress, signal);
  return total;
}

/** Overlay: the same exchange from the same state, without a twin, really sent over the line with its limit lifted. */
async function overlay(
  { laptop, home, link }: TwoHosts,
  root: string,
  level: number,
  progress: Progress,
  { options, signal }: DemoContext,
): Promise<Pick<Alternatives, "overlayBytes" | "overlayReport">> {
  await link.setSpeed(UNLIMITED);
  try {
    const before = await link.settledBytes();
    const overlayReport = await laptop.call(
      "measure",
      { workspace: WORKSPACE, root, peer: home.name, mode: "overlay", level },
      { signal, progress },
    );
    return { overlayBytes: (await link.settledBytes()) - before, overlayReport };
  } finally {
    await link.setSpeed(options.link);
  }
}

/**
 * Measures what the move from the laptop would have cost without replay.
 * @param root the generation that the move made
 * @param level of packing that the move used
 */
export async function measureAlternatives(
  hosts: TwoHosts,
  root: string,
  level: number,
  progress: Progress,
  context: DemoContext,
): Promise<Alternatives> {
  const measured = await overlay(hosts, root, level, progress, context);
  const stopAndCopyBytes = await stopAndCopy(hosts.laptop, root, progress, context.signal);
  return { stopAndCopyBytes, ...measured };
}
