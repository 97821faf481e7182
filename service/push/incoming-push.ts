import { constants } from "node:fs";
import { chmod, lstat, mkdir, open, readdir, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { HomewardError } from "../../common/errors.ts";
import { wrongFiles, type PushedFile } from "../../protocol/push.ts";
import type { Message } from "../../protocol/wire/messages.ts";
import type { Progress } from "../../common/progress.ts";
import { copyFileSparse } from "../../syncer/copy-sparse.ts";
import { generationRoot } from "../../syncer/generation-root.ts";
import type { ServiceContext } from "../context.ts";
import { freeRoom, obstacles } from "../migration/admission.ts";
import type { PeerLink } from "../migration/peer-link.ts";
import { bytesOnDisk } from "../store/disk-use.ts";
import { exists, syncDir } from "../store/durable.ts";
import { pushFolder } from "../store/paths.ts";
import type { OperationOptions } from "../workspaces/dependencies.ts";
import { allocatedBytes } from "./outgoing-push.ts";
import { wrongParts, type Landed } from "./landed.ts";
import { relayRsync } from "./rsync-relay.ts";
import { startReceiver } from "./rsync-process.ts";

/** How often it is looked at how much room is taken while files land. */
const LOOK_MS = 250;
/** What may be taken beyond what was announced: file systems round up, each in its way. */
const SLACK_BYTES = 64 * 1024 * 1024;
/** Left free on the disk, for all else that this host does. */
const SPARE_BYTES = 64 * 1024 * 1024;

/**
 * A generation that another host lays down here. It is not believed in anything: names, sizes and order are this host's, each
 * file is received by an rsync of its own that can write to that file only, and nothing counts before this host has read
 * all of it and found the root.
 */
export class IncomingPush {
  readonly #ctx: ServiceContext;
  readonly #link: PeerLink;
  readonly #push: Message<"push">;
  readonly #signal: AbortSignal;
  readonly #dir: string;
  readonly #checking: OperationOptions;
  /** What the files that the new ones are compared with take on disk, until they have become the new ones. */
  #baseBytes = 0;

  constructor(ctx: ServiceContext, link: PeerLink, push: Message<"push">, options: { readonly signal: AbortSignal; readonly progress: Progress }) {
    this.#ctx = ctx;
    this.#link = link;
    this.#push = push;
    this.#signal = options.signal;
    this.#checking = options;
    this.#dir = ctx.store.paths.incomingOf(pushFolder(push.workspace));
  }

  /**
   * Everything that could be wrong with it before a byte of it has come.
   * @throws PEER, CONFLICT, INCOMPATIBLE, NO_ROOM
   */
  async admit(): Promise<void> {
    const { workspace, manifest, files } = this.#push;
    if (generationRoot(manifest) !== manifest.root)
      throw new HomewardError("PEER", `what ${this.#link.peer} pushes does not have the root that it says`);
    const wrong = wrongFiles(manifest, files);
    if (wrong !== null) throw new HomewardError("PEER", `${this.#link.peer} announced files that cannot be: ${wrong}`);
    const asked: Message<"check"> = {
      purpose: "push",
      workspace,
      mode: "replay",
      base: manifest.root,
      machine: manifest.machine,
      overlay_bytes: allocatedBytes(files),
      device_bytes: 0,
      hold: false,
    };
    for await (const obstacle of obstacles(this.#ctx, asked, this.#link.peer)) throw obstacle;
  }

  /** Files of it lie here from an earlier attempt of the same host. */
  get hasBegun(): boolean {
    const row = this.#ctx.store.pushes.get(this.#push.workspace);
    return row?.peer === this.#link.peer && row.manifest.root === this.#push.manifest.root;
  }

  /** Gets all files, whole and checked. @throws DAMAGED if they are not what the root says, also when sent again */
  async receive(): Promise<Landed> {
    const { manifest, workspace, files } = this.#push;
    const { root } = manifest;
    const { pushes } = this.#ctx.store;
    // rsync tells by which blocks it wants whether they are here: that is for the host that laid them down.
    if (pushes.get(workspace)?.peer !== this.#link.peer) await rm(this.#dir, { recursive: true, force: true });
    const row = pushes.begin({ workspace, peer: this.#link.peer, manifest, files });
    await this.#prepareFolder();
    const landed = new Set(row.landed);
    const get = async (): Promise<void> => {
      for (const file of files) {
        if (landed.has(file.name)) continue;
        await this.#receiveFile(file);
        landed.add(file.name);
        pushes.noteLanded(workspace, [...landed]);
      }
    };
    const content: Landed = { dir: this.#dir, manifest, layers: files.filter(({ name }) => name.startsWith("layer-")).length };
    await get();
    let wrong = await wrongParts(this.#ctx, content, this.#checking);
    if (wrong.length > 0) {
      // Something on the way, or on this disk. rsync compares what is there block by block and mends it.
      this.#ctx.log.warn({ root, wrong }, "pushed files are not what they should be; asking again");
      for (const name of wrong) landed.delete(name);
      pushes.noteLanded(workspace, [...landed]);
      await get();
      wrong = await wrongParts(this.#ctx, content, this.#checking);
    }
    if (wrong.length === 0) return content;
    await this.discard();
    throw new HomewardError("DAMAGED", `what ${this.#link.peer} pushed is not the generation ${root.slice(0, 12)}: ${wrong.join(", ")}`, {
      hint: `Seal ${workspace} on ${this.#link.peer} again, and push it anew.`,
      data: { wrong },
    });
  }

  /** Nothing of it is kept. */
  async discard(): Promise<void> {
    this.#ctx.store.pushes.delete(this.#push.workspace);
    await rm(this.#dir, { recursive: true, force: true });
  }

  /** A private folder with nothing in it but regular files of the names that are due. */
  async #prepareFolder(): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const names = new Set(this.#push.files.map(({ name }) => name));
    for (const name of await readdir(this.#dir)) {
      const path = join(this.#dir, name);
      const found = await lstat(path);
      if (!names.has(name) || !found.isFile() || found.nlink > 1) await rm(path, { recursive: true, force: true });
    }
    await this.#startFromBase();
    for (const name of names) {
      const path = join(this.#dir, name);
      await (await open(path, constants.O_CREAT | constants.O_RDWR | constants.O_NOFOLLOW, 0o600)).close();
      await chmod(path, 0o600);
    }
    await syncDir(this.#dir);
  }

  /**
   * Where this host has an older generation of the workspace, its files are what the new ones are compared with: device state,
   * memory, and the layers of the disk, which are the same from the lowest one up to where the two part.
   */
  async #startFromBase(): Promise<void> {
    const { workspace, files } = this.#push;
    const root = this.#ctx.store.workspaces.get(workspace)?.base ?? null;
    const base = root === null ? null : this.#ctx.store.generations.get(root);
    if (base === null) return;
    const layers = files.filter(({ name }) => name.startsWith("layer-")).length;
    const paths = new Map<string, string | undefined>([["device", base.devicePath], ["ram", base.ramPath]]);
    for (let at = 0; at < layers; at++) paths.set(`layer-${at}`, base.layers[at - layers + base.layers.length]);
    for (const { name, bytes } of files) {
      const from = paths.get(name);
      const to = join(this.#dir, name);
      if (from === undefined || (await stat(from)).size > bytes) continue;
      const taken = await bytesOnDisk(from);
      const there = await exists(to);
      // It only saves sending.
      if (!there && (await freeRoom(this.#ctx)).disk < taken + SPARE_BYTES) continue;
      if (!there) await copyFileSparse(from, to, this.#checking);
      this.#baseBytes += taken;
    }
  }

  async #receiveFile({ name, bytes }: PushedFile): Promise<void> {
    const path = join(this.#dir, name);
    const { size } = await lstat(path);
    // The limit on what it may write is that of the whole file.
    if (size > bytes) await truncate(path, bytes);
    await this.#link.send("pushWant", { name, landed: await bytesOnDisk(path) });
    const { compress } = await this.#link.expect("pushStart");
    const rsync = await startReceiver(this.#dir, name, bytes, compress);
    const room = new RoomWatch(this.#dir, this.#baseBytes + allocatedBytes(this.#push.files) + SLACK_BYTES, async () => (await freeRoom(this.#ctx)).disk);
    try {
      await relayRsync(this.#link, rsync, {
        fileBytes: bytes,
        signal: AbortSignal.any([this.#signal, room.signal]),
      });
    } finally {
      room.stop();
    }
    const landed = await lstat(path);
    if (!landed.isFile() || landed.size !== bytes)
      throw new HomewardError("PEER", `${this.#link.peer} sent ${landed.size} bytes of ${name} instead of ${bytes}`);
  }
}

/** Looks at how much room is taken while somebody else decides what is written. */
class RoomWatch {
  readonly #stop = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #looking = false;

  constructor(dir: string, most: number, free: () => Promise<number>) {
    this.#timer = setInterval(() => {
      if (this.#looking) return;
      this.#looking = true;
      void this.#look(dir, most, free).finally(() => (this.#looking = false));
    }, LOOK_MS);
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(dir: string, most: number, free: () => Promise<number>): Promise<void> {
    try {
      if ((await bytesOnDisk(dir)) > most) throw new HomewardError("PEER", "more was sent than was announced");
      if ((await free()) < SPARE_BYTES) throw new HomewardError("NO_ROOM", "too little disk space is left for a generation");
    } catch (error) {
      this.#stop.abort(error);
    }
  }
}
