import { existsSync, watch } from "node:fs";
import { chmod, mkdir, readFile, rm, statfs, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { abortable, delay } from "../../common/abort.ts";
import { run } from "../../common/spawn.ts";
import { StatePaths } from "../../service/store/paths.ts";
import { RfbClient } from "../../vm/rfb/rfb-client.ts";
import { keyForChar, keyForName } from "../../vm/rfb/keymap.ts";
import { TestHost, WORKSPACE, makeTiny, promptShown, stillPicture, type as typeSlowly } from "../e2e/migration-hosts.ts";
import { ASIDE } from "./aside.ts";
import { processes, readRecord, type HostRecord } from "./audit.ts";
import { Line } from "./line.ts";
import { cutPower } from "./power-cut.ts";

const DISK_BYTES = 2 * 1024 * 1024 * 1024;
const PAGE_BYTES = 4096;
const HERE = import.meta.dirname;

/** One of the two computers: a service, its disk (a tmpfs of its own), and the line on which others reach it. */
export class RigHost {
  readonly service: TestHost;
  readonly disk: string;
  readonly aside: string;
  readonly line: Line;
  readonly #path: string;

  constructor(service: TestHost, disk: string, line: Line, path: string) {
    this.service = service;
    this.disk = disk;
    this.aside = join(disk, "aside");
    this.line = line;
    this.#path = path;
  }

  get name(): string {
    return this.service.name;
  }

  get isUp(): boolean {
    return this.service.pid !== undefined;
  }

  record(): HostRecord {
    return readRecord(this.service.state, WORKSPACE);
  }

  async start(): Promise<void> {
    await rm(join(this.aside, ASIDE.arm), { force: true });
    await this.service.start({ path: this.#path, preload: join(HERE, "preload.ts"), env: { FAULTS_ASIDE: this.aside } });
  }

  /** The service will stop itself when its newest migration has that role and state. */
  async arm(moment: string): Promise<void> {
    await rm(join(this.aside, ASIDE.hit), { force: true });
    await writeFile(join(this.aside, ASIDE.arm), moment);
  }

  /** Resolves when the service has stopped itself; after `signal` it will not any more. */
  async stops(signal: AbortSignal): Promise<void> {
    const hit = join(this.aside, ASIDE.hit);
    const reached = Promise.withResolvers<undefined>();
    const watcher = watch(this.aside, () => {
      if (existsSync(hit)) reached.resolve(undefined);
    });
    try {
      if (existsSync(hit)) reached.resolve(undefined);
      await abortable(reached.promise, signal);
      // It says so just before it stops.
      while (this.service.pid !== undefined && !(await isStopped(this.service.pid))) await delay(2);
    } finally {
      watcher.close();
      await rm(join(this.aside, ASIDE.arm), { force: true });
    }
  }

  async setClock(aheadMs: number): Promise<void> {
    await writeFile(join(this.aside, ASIDE.clock), String(aheadMs));
    if (this.service.pid !== undefined) process.kill(this.service.pid, "SIGUSR2");
  }

  /** Only that many bytes can still be written to its disk; null takes the limit away. */
  async limitDisk(bytes: number | null): Promise<void> {
    for (let tries = 1; ; tries++) {
      const { blocks, bfree, bsize } = await statfs(this.disk);
      const size = bytes === null ? DISK_BYTES : (blocks - bfree) * bsize + Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
      try {
        await run("mount", ["-o", `remount,size=${String(size)}`, this.disk]);
        return;
      } catch (error) {
        // More was written meanwhile than there would be room for.
        if (tries === 10) throw error;
      }
    }
  }

  /** Process ids of its QEMUs: of machines, or of twins. */
  async qemus(which: "machine" | "twin"): Promise<number[]> {
    const found = await processes(new Set());
    return found.flatMap(({ pid, args }) => {
      const isTwin = args.some((arg) => arg.startsWith("guest=twin-"));
      return isQemu(args) && args.some((arg) => arg.includes(this.service.state)) && isTwin === (which === "twin") ? [pid] : [];
    });
  }

  /** Everything of it ends at once, and only what had reached its disk is left. */
  async losePower(random: () => number): Promise<string[]> {
    await this.service.kill();
    const name = new StatePaths(this.service.state).runName;
    for (const { pid, args } of await processes(new Set()))
      if (args.some((arg) => arg.includes(this.service.state) || arg.includes(name))) kill(pid);
    for (const dir of this.runFolders) await rm(dir, { recursive: true, force: true });
    return cutPower(this.service.state, this.aside, random);
  }

  /** Outside of its state folder. */
  get runFolders(): string[] {
    const { runName } = new StatePaths(this.service.state);
    return [`/run/user/${String(process.getuid?.())}`, "/tmp", "/dev/shm"].map((parent) => join(parent, runName));
  }
}

async function isStopped(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${String(pid)}/stat`, "utf8").catch(() => "");
  return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T");
}

export function isQemu(args: readonly string[]): boolean {
  return args[0]?.endsWith("qemu-system-x86_64") === true && args.includes("-pidfile");
}

export function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Two hosts that know each other, each behind a line; a workspace of the tiny guest that both hold a generation of. */
export class Rig {
  readonly dir: string;
  readonly hosts: readonly [RigHost, RigHost];
  /** Last line that the guest was told to write to its disk and to sync. */
  written = 0;

  private constructor(dir: string, hosts: readonly [RigHost, RigHost]) {
    this.dir = dir;
    this.hosts = hosts;
  }

  /** @param dir a new folder; in a mount namespace of our own */
  static async create(dir: string): Promise<Rig> {
    const bin = join(dir, "bin");
    await mkdir(bin, { recursive: true });
    const { stdout } = await run("which", ["qemu-system-x86_64"]);
    const qemu = stdout.toString().trim();
    const wrapper = join(bin, "qemu-system-x86_64");
    // Looking for KVM would take each service that is started two seconds; the machines are made for software emulation.
    const script = [
      "#!/bin/sh",
      'case " $* " in *" kvm "*) exit 1 ;; *" -pidfile "*) ;; *) exec "$QEMU" "$@" ;; esac',
      'exec "$NODE" "$STAND_IN" "$QEMU" "$@"',
    ];
    const names = { QEMU: qemu, NODE: process.execPath, STAND_IN: join(HERE, "qemu.ts") };
    const assigned = Object.entries(names).map(([name, value]) => `${name}='${value}'`);
    await writeFile(wrapper, [script[0], ...assigned, ...script.slice(1), ""].join("\n"));
    await chmod(wrapper, 0o755);
    await symlink(process.execPath, join(bin, "node"));
    const path = `${bin}:${process.env["PATH"] ?? ""}`;
    const make = async (name: string, peer: string): Promise<RigHost> => {
      const disk = join(dir, name);
      await mkdir(join(disk), { recursive: true });
      await run("mount", ["-t", "tmpfs", "-o", `size=${String(DISK_BYTES)},mode=0700`, "none", disk]);
      await mkdir(join(disk, "aside", ASIDE.inodes), { recursive: true });
      const line = await Line.listen(join(dir, `to-${name}.sock`), join(disk, `${name}.sock`));
      return new RigHost(new TestHost(disk, name, { name: peer, socket: join(dir, `to-${peer}.sock`) }), disk, line, path);
    };
    const rig = new Rig(dir, [await make("near", "far"), await make("far", "near")]);
    await rig.#fill();
    return rig;
  }

  async #fill(): Promise<void> {
    const [near, far] = this.hosts;
    await Promise.all([near.start(), far.start()]);
    await makeTiny(near.service);
    await near.service.call("start", { workspace: WORKSPACE });
    const console = await near.service.console();
    await promptShown(console);
    await typeSlowly(console, "clear\n");
    await stillPicture(console, 500);
    console.close();
    const copy = join(this.dir, "export");
    await near.service.call("seal", { workspace: WORKSPACE, export: copy });
    await far.service.call("create", { workspace: WORKSPACE, from: copy, owner: "near", verified: true });
    await rm(copy, { recursive: true });
  }

  other(host: RigHost): RigHost {
    return host === this.hosts[0] ? this.hosts[1] : this.hosts[0];
  }

  /** Something that only this state of the machine has: a line on its disk, synced, and on its screen. */
  async work(host: RigHost): Promise<void> {
    const number = this.written + 1;
    const hasAnswered = await this.#typed(host, `echo ${String(number)} >>w;sync\n`);
    if (!hasAnswered) throw new Error(`the guest on ${host.name} does not react`);
    this.written = number;
  }

  /** Turns the machine on and waits for its prompt. */
  async boot(host: RigHost): Promise<void> {
    await host.service.call("start", { workspace: WORKSPACE });
    const console = await host.service.console();
    await promptShown(console);
    console.close();
    await this.work(host);
  }

  /** Types a line; whether the guest answered by another picture. */
  async #typed(host: RigHost, line: string): Promise<boolean> {
    const console = await host.service.console();
    try {
      // The first picture is asked for and comes a moment later.
      await delay(150);
      const before = Buffer.from(console.frame.pixels);
      await typeQuickly(console, line);
      for (let tries = 0; tries < 2400; tries++) {
        await delay(50);
        if (console.frame.pixels.equals(before)) continue;
        // The guest has synced then; a busy computer lets it stand still before.
        await stillPicture(console, 1000);
        return true;
      }
      return false;
    } finally {
      console.close();
    }
  }

  async end(): Promise<void> {
    for (const { line } of this.hosts) await line.close();
    await Promise.allSettled(this.hosts.map(({ service }) => service.end()));
    for (const { disk, runFolders } of this.hosts) {
      for (const dir of runFolders) await rm(dir, { recursive: true, force: true });
      await run("umount", ["-l", disk]).catch(() => undefined);
    }
  }
}

async function typeQuickly(console: RfbClient, line: string): Promise<void> {
  const shift = keyForName("shift");
  for (const character of line) {
    const key = character === "\n" ? { ...keyForName("enter"), shift: false } : keyForChar(character);
    if (key.shift) console.key(true, shift.keysym, shift.keycode);
    console.key(true, key.keysym, key.keycode);
    console.key(false, key.keysym, key.keycode);
    if (key.shift) console.key(false, shift.keysym, shift.keycode);
    await delay(12);
  }
}
