import { cp, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { delay } from "../../common/abort.ts";
import { buildGuest } from "../../guests/build.ts";
import type { MachineDefinition } from "../../protocol/machine.ts";
import type { MachineFiles } from "../../vm/arguments.ts";
import { convertImage, createOverlay } from "../../vm/disk-image.ts";
import { startMachine, type Machine } from "../../vm/machine-process.ts";

const MIB = 1_048_576;

export interface SavedState {
  readonly ram: string;
  readonly device: string;
  readonly disk: string;
}

/** A folder with a base layer, an overlay and a definition for the tiny guest, and the machines started from it. */
export class TinyWorkspace {
  readonly dir: string;
  readonly definition: MachineDefinition;
  readonly base: string;
  readonly #guestDir: string;
  readonly #machines: Machine[] = [];

  private constructor(dir: string, guestDir: string, definition: MachineDefinition) {
    this.dir = dir;
    this.#guestDir = guestDir;
    this.definition = definition;
    this.base = join(dir, "base.qcow2");
  }

  static async create(): Promise<TinyWorkspace> {
    const guest = await buildGuest("tiny");
    // A comma in every path: it separates options in QEMU's arguments.
    const dir = await mkdtemp(join(tmpdir(), "hw,vm-"));
    const blob = { sha256: "0".repeat(64), bytes: 1 };
    const workspace = new TinyWorkspace(dir, guest.dir, {
      format: 1,
      machineType: "pc-i440fx-7.2",
      accelerator: "tcg",
      cpuModel: "Nehalem",
      qemuVersion: "7.2",
      cpus: guest.definition.cpus,
      memoryBytes: guest.definition.memoryMiB * MIB,
      diskBytes: guest.definition.disk.bytes,
      mac: "52:54:00:12:34:56",
      kernel: blob,
      initrd: blob,
      append: guest.definition.append,
    });
    await convertImage(join(guest.dir, "disk.qcow2"), workspace.base);
    return workspace;
  }

  /** Files of a machine `name` with an overlay of its own, in RAM. */
  async files(name: string, changes: Partial<MachineFiles> = {}): Promise<MachineFiles> {
    const overlay = join(this.dir, `${name}.qcow2`);
    await createOverlay(overlay, [this.base], this.definition.diskBytes);
    const runDir = join(this.dir, name);
    await mkdir(runDir, { mode: 0o700 });
    return {
      name: `tiny ${name}`,
      ramPath: join(runDir, "ram"),
      diskLayers: [overlay, this.base],
      kernelPath: join(this.#guestDir, "kernel"),
      initrdPath: join(this.#guestDir, "initrd"),
      runDir,
      network: "open",
      incoming: false,
      diskFlush: "safe",
      afterShutdown: "end",
      ...changes,
    };
  }

  /** Suspends the machine and puts copies of all that belongs to its state aside, under `name`. */
  async suspend(machine: Machine, files: MachineFiles, name: string): Promise<SavedState> {
    const saved = { ram: join(this.dir, `${name}.ram`), device: join(this.dir, `${name}.device`) };
    const disk = join(this.dir, `${name}.disk`);
    await machine.saveDeviceState(saved.device);
    const [top] = files.diskLayers;
    if (top === undefined) throw new Error("no disk");
    await cp(files.ramPath, saved.ram);
    await cp(top, disk);
    return { ...saved, disk };
  }

  /** Starts a machine from its own copies of a saved state; paused. */
  async resume(name: string, saved: SavedState, changes: Partial<MachineFiles> = {}): Promise<[Machine, MachineFiles]> {
    const files = await this.files(name, { incoming: true, ...changes });
    const [top] = files.diskLayers;
    if (top === undefined) throw new Error("no disk");
    await cp(saved.ram, files.ramPath);
    await cp(saved.disk, top);
    const machine = await this.start(files);
    await machine.loadDeviceState(saved.device);
    return [machine, files];
  }

  async start(files: MachineFiles): Promise<Machine> {
    return this.own(await startMachine(this.definition, files));
  }

  /** Ends this machine with the workspace. */
  own(machine: Machine): Machine {
    this.#machines.push(machine);
    return machine;
  }

  async remove(): Promise<void> {
    for (const machine of this.#machines) await machine.quit().catch(() => undefined);
    await rm(this.dir, { recursive: true, force: true });
  }
}

interface Picture {
  readonly width: number;
  readonly height: number;
  readonly pixels: Buffer;
}

async function screen(machine: Machine, file: string): Promise<Picture> {
  await machine.qmp.execute("screendump", { filename: basename(file) });
  const ppm = await readFile(file);
  const header = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(ppm.toString("latin1", 0, 40));
  if (header === null) throw new Error("not a PPM");
  return { width: Number(header[1]), height: Number(header[2]), pixels: ppm.subarray(header[0].length) };
}

interface Position {
  readonly x: number;
  readonly y: number;
}

/** Top left pixel of the text cursor; it is the only red thing on the guest's screen, and steady. */
function findCursor({ width, pixels }: Picture): Position | undefined {
  for (let at = 0; at + 2 < pixels.length; at += 3) {
    const [red = 0, green = 0, blue = 0] = pixels.subarray(at, at + 3);
    if (red > 120 && green < 40 && blue < 40) return { x: (at / 3) % width, y: Math.floor(at / 3 / width) };
  }
  return undefined;
}

/** "tiny:~# " is eight characters of nine pixels. */
const PROMPT_PIXELS = 72;

/** Waits until the cursor is where `wanted` says, and gives its place. */
export async function waitForCursor(
  machine: Machine,
  files: MachineFiles,
  wanted: (at: Position) => boolean,
  timeoutMs = 60_000,
): Promise<Position> {
  const file = join(files.runDir, "qemu", "screen.ppm");
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const at = findCursor(await screen(machine, file));
    if (at !== undefined && wanted(at)) return at;
    if (performance.now() > deadline) throw new Error("the tiny guest's cursor is not where it should be");
    await delay(100);
  }
}

/** Waits until the cursor stands behind the shell's prompt, further down than `above`. */
export function waitForShell(machine: Machine, files: MachineFiles, above = 0): Promise<Position> {
  return waitForCursor(machine, files, ({ x, y }) => x === PROMPT_PIXELS && y > above);
}

const KEYS: Readonly<Record<string, string>> = { " ": "spc", ".": "dot", "/": "slash", "-": "minus", "\n": "ret" };

/** Types lower-case text on the guest's keyboard. */
export async function type(machine: Machine, text: string): Promise<void> {
  for (const character of text) {
    const key = { type: "qcode", data: KEYS[character] ?? character };
    await machine.qmp.execute("send-key", { keys: [key], "hold-time": 20 });
    await delay(40);
  }
}
