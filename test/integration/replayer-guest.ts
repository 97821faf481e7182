import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { run } from "../../common/spawn.ts";
import { buildGuest } from "../../guests/build.ts";
import { GUEST_FILES, type GuestName } from "../../guests/definition.ts";
import type { MachineDefinition } from "../../protocol/machine.ts";
import { createOverlay } from "../../vm/disk-image.ts";
import { qemuVersion, startMachine, type Machine } from "../../vm/machine-process.ts";
import { keyForName } from "../../vm/rfb/keymap.ts";
import { RfbClient } from "../../vm/rfb/rfb-client.ts";

/** A guest that was booted once and then suspended; any number of machines can go on from that moment. */
export interface SuspendedGuest {
  readonly folder: string;
  /** Starts one that runs on from the suspended moment. */
  resume(name: string): Promise<{ machine: Machine; screen: RfbClient }>;
  /** Ends every machine that was resumed, and removes all files. */
  remove(): Promise<void>;
}

async function definitionOf(
  guest: Awaited<ReturnType<typeof buildGuest>>,
  version: string,
): Promise<MachineDefinition> {
  const blob = async (name: string): Promise<{ sha256: string; bytes: number }> => {
    const data = await readFile(join(guest.dir, name));
    return { sha256: createHash("sha256").update(data).digest("hex"), bytes: data.length };
  };
  const { definition } = guest;
  const short = version.split(".").slice(0, 2).join(".");
  return {
    format: 1,
    machineType: `pc-i440fx-${short}`,
    accelerator: "tcg",
    cpuModel: "Nehalem",
    qemuVersion: short,
    cpus: definition.cpus,
    memoryBytes: definition.memoryMiB * 1_048_576,
    diskBytes: definition.disk.bytes,
    mac: "52:54:00:12:34:56",
    kernel: await blob(GUEST_FILES.kernel),
    initrd: await blob(GUEST_FILES.initrd),
    append: definition.append,
  };
}

/** Resolves when the picture has not changed for `quietMs`. */
export async function pictureStill(screen: RfbClient, quietMs: number): Promise<void> {
  await new Promise<void>((resolve) => {
    let grid = screen.frame.lumaGrid();
    const off = screen.onUpdate(() => {
      const now = screen.frame.lumaGrid();
      if (!Buffer.from(now).equals(grid)) timer.refresh();
      grid = now;
    });
    const timer = setTimeout(() => {
      off();
      resolve();
    }, quietMs);
  });
}

/** Resolves when a shell answers Enter with another prompt. */
export async function shellAnswers(screen: RfbClient): Promise<void> {
  const enter = keyForName("enter");
  for (;;) {
    await pictureStill(screen, 1500);
    const before = screen.frame.lumaGrid();
    screen.key(true, enter.keysym, enter.keycode);
    screen.key(false, enter.keysym, enter.keycode);
    await pictureStill(screen, 1000);
    if (!Buffer.from(screen.frame.lumaGrid()).equals(before)) return;
  }
}

/** Boots a guest, waits until `booted` says that it is up, and suspends it. */
export async function suspendGuest(name: GuestName, booted: (screen: RfbClient) => Promise<void>): Promise<SuspendedGuest> {
  const guest = await buildGuest(name);
  const machineDefinition = await definitionOf(guest, await qemuVersion());
  const folder = await mkdtemp(join(tmpdir(), "hw-rp-"));
  const overlay = async (path: string, below: string[]): Promise<string[]> => {
    await createOverlay(path, below, machineDefinition.diskBytes);
    return [path, ...below];
  };
  const files = (where: string): { ramPath: string; runDir: string; kernelPath: string; initrdPath: string } => ({
    ramPath: join(where, "ram"),
    runDir: join(where, "run"),
    kernelPath: join(guest.dir, GUEST_FILES.kernel),
    initrdPath: join(guest.dir, GUEST_FILES.initrd),
  });
  const base = join(folder, "base");
  await mkdir(base);
  const layers = await overlay(join(base, "disk.qcow2"), [join(guest.dir, GUEST_FILES.disk)]);
  const common = { network: "blocked", diskFlush: "none", afterShutdown: "stay" } as const;
  const machine = await startMachine(machineDefinition, {
    name,
    ...files(base),
    ...common,
    diskLayers: layers,
    incoming: false,
  });
  const screen = await RfbClient.connect(machine.vncSocket, { wakeEveryMs: 100 });
  try {
    await booted(screen);
    await machine.saveDeviceState(join(base, "device"));
  } finally {
    screen.close();
    await machine.quit();
  }

  const running: Machine[] = [];
  return {
    folder,
    resume: async (copy) => {
      const where = join(folder, copy);
      await mkdir(where);
      await run("cp", ["--sparse=always", "--", join(base, "ram"), join(where, "ram")]);
      await copyFile(join(base, "device"), join(where, "device"));
      const resumed = await startMachine(machineDefinition, {
        name: copy,
        ...files(where),
        ...common,
        diskLayers: await overlay(join(where, "disk.qcow2"), layers),
        incoming: true,
      });
      running.push(resumed);
      await resumed.loadDeviceState(join(where, "device"));
      await resumed.cont();
      return { machine: resumed, screen: await RfbClient.connect(resumed.vncSocket) };
    },
    remove: async () => {
      for (const one of running) await one.quit();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
