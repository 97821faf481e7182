import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { delay } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import { buildGuest } from "../../guests/build.ts";
import { createOverlay } from "../../vm/disk-image.ts";
import { qemuVersion, startMachine, type Machine } from "../../vm/machine-process.ts";
import { RfbClient } from "../../vm/rfb/rfb-client.ts";
import type { BenchContext } from "../bench.ts";

const MIB = 1024 * 1024;
const BOOT_MS = 300_000;
/** The guest's text console; its firmware's screen has other sizes. */
const WIDTH = 720;
const ROW_PIXELS = 16;
/** Where the first prompt stands, below what the firmware writes and what the shell says of itself. */
const PROMPT_ROW = 5;
const QUIET_MS = 1500;

/** Boots the tiny guest and resolves when it shows its prompt. It is ended with the measurement. */
export async function bootTiny({ dir, signal, cleanUp, say }: BenchContext): Promise<Machine> {
  say("  starting the tiny guest");
  const guest = await buildGuest("tiny", { signal });
  const base = join(guest.dir, "disk.qcow2");
  const overlay = join(dir, "disk.qcow2");
  const runDir = join(dir, "run");
  await mkdir(runDir, { mode: 0o700 });
  await createOverlay(overlay, [base], guest.definition.disk.bytes);
  const [major = "", minor = ""] = (await qemuVersion()).split(".");
  const version = `${major}.${minor}`;
  const blob = { sha256: "0".repeat(64), bytes: 1 };
  const machine = await startMachine(
    {
      format: 1,
      machineType: `pc-i440fx-${version}`,
      accelerator: "tcg",
      cpuModel: "Nehalem",
      qemuVersion: version,
      cpus: guest.definition.cpus,
      memoryBytes: guest.definition.memoryMiB * MIB,
      diskBytes: guest.definition.disk.bytes,
      mac: "52:54:00:00:00:01",
      kernel: blob,
      initrd: blob,
      append: guest.definition.append,
    },
    {
      name: "bench",
      ramPath: join(dir, "ram"),
      diskLayers: [overlay, base],
      kernelPath: join(guest.dir, "kernel"),
      initrdPath: join(guest.dir, "initrd"),
      runDir,
      network: "blocked",
      incoming: false,
      diskFlush: "none",
      afterShutdown: "end",
    },
    signal,
  );
  cleanUp(() => machine.quit());
  const viewer = await RfbClient.connect(machine.vncSocket);
  try {
    await promptShown(viewer, signal);
  } finally {
    viewer.close();
  }
  return machine;
}

/** Whether there is any text in a row of the console, counted from 0. */
export function isRowWritten({ width, pixels }: RfbClient["frame"], row: number): boolean {
  const bytes = pixels.subarray(row * ROW_PIXELS * width * 4, (row + 1) * ROW_PIXELS * width * 4);
  return width === WIDTH && bytes.some((byte, i) => i % 4 !== 3 && byte > 0);
}

/** Resolves when the prompt of a guest that has just started is there and nothing more comes. @throws TIMEOUT */
export async function promptShown(viewer: RfbClient, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + BOOT_MS;
  let changedMs = performance.now();
  const stop = viewer.onUpdate(() => {
    changedMs = performance.now();
  });
  try {
    for (;;) {
      await delay(100, signal);
      if (isRowWritten(viewer.frame, PROMPT_ROW) && performance.now() - changedMs > QUIET_MS) return;
      if (performance.now() > deadline) throw new HomewardError("TIMEOUT", "the tiny guest did not boot");
    }
  } finally {
    stop();
  }
}
