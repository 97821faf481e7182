import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { abortReason, throwIfAborted, withTimeout } from "../common/abort.ts";
import { HomewardError } from "../common/errors.ts";
import { missing, start, type ChildProcess } from "../common/spawn.ts";
import { connectWhenListening } from "./connect.ts";
import { chainFileName } from "./disk-chain.ts";
import { BLOCK_BYTES, blockExtents, inStep, type Extent, type Piece } from "./disk-extents.ts";
import { checkLayers } from "./image-header.ts";
import { NbdClient } from "./nbd-client.ts";
import { socketPath } from "./run-dir.ts";

export type { Extent } from "./disk-extents.ts";

const QEMU_NBD = "qemu-nbd";
const START_TIMEOUT_MS = 30_000;
const GIVE_UP_MS = 2000;
/** Writing back what was not flushed. */
const CLOSE_TIMEOUT_MS = 30_000;

const EXPORT_NAME = "disk";
/** Which of a range is data and which reads as zeros, looking through all layers. */
const ALLOCATION = "base:allocation";
const ALLOCATION_ZERO = 2;
/** In which layer a range is found: 1 is the top, 0 none at all (QEMU docs/interop/nbd.txt). */
const DEPTH = "qemu:allocation-depth";
/** A range's status is asked for in pieces, so that an answer's list of extents stays short. */
const STATUS_BYTES = 256 * 1024 * 1024;

export interface OpenDiskOptions {
  readonly writable: boolean;
  /** Folder of mode 0700 for a socket. */
  readonly runDir: string;
  /** Closes the disk when it fires, also later on. */
  readonly signal?: AbortSignal;
}

/** A disk as 4 KiB blocks; calls may overlap. They throw GUEST when the disk fails and CANCELLED after `close()`. */
export interface DiskBlocks {
  readonly blocks: number;
  read(block: number, count: number): Promise<Buffer>;
  /** `data` is a whole number of blocks and must not be changed before this resolves. @throws NO_ROOM */
  write(block: number, data: Buffer): Promise<void>;
  writeZeroes(block: number, count: number): Promise<void>;
  /** Resolves when everything written is on stable storage. */
  flush(): Promise<void>;
  /** What the top layer holds itself, in ascending order. */
  allocated(): AsyncIterable<Extent>;
  /** What the top `layers` layers hold themselves. */
  allocatedInTop(layers: number): AsyncIterable<Extent>;
  /** What does not read as zeros because no layer holds it or the one that does says so. */
  allocatedAnywhere(): AsyncIterable<{ readonly block: number; readonly count: number }>;
  close(): Promise<void>;
}

class NbdDisk implements DiskBlocks {
  readonly blocks: number;
  readonly #client: NbdClient;
  readonly #server: NbdServer;

  constructor(client: NbdClient, server: NbdServer) {
    this.#client = client;
    this.#server = server;
    this.blocks = client.info.bytes / BLOCK_BYTES;
    if (!Number.isInteger(this.blocks))
      throw new HomewardError("DAMAGED", `a disk of ${client.info.bytes} bytes is not a whole number of blocks`);
  }

  read(block: number, count: number): Promise<Buffer> {
    return this.#client.read(block * BLOCK_BYTES, count * BLOCK_BYTES);
  }

  write(block: number, data: Buffer): Promise<void> {
    if (data.length % BLOCK_BYTES !== 0)
      return Promise.reject(new HomewardError("INTERNAL", `${data.length} bytes are not a whole number of blocks`));
    return this.#client.write(block * BLOCK_BYTES, data);
  }

  writeZeroes(block: number, count: number): Promise<void> {
    return this.#client.writeZeroes(block * BLOCK_BYTES, count * BLOCK_BYTES);
  }

  flush(): Promise<void> {
    return this.#client.flush();
  }

  allocated(): AsyncIterable<Extent> {
    return this.allocatedInTop(1);
  }

  allocatedInTop(layers: number): AsyncIterable<Extent> {
    return blockExtents(
      this.#pieces((depth, allocation) => {
        if (depth < 1 || depth > layers) return "none";
        return (allocation & ALLOCATION_ZERO) === 0 ? "data" : "zero";
      }),
    );
  }

  allocatedAnywhere(): AsyncIterable<Extent> {
    return blockExtents(
      this.#pieces((_depth, allocation) => ((allocation & ALLOCATION_ZERO) === 0 ? "data" : "none")),
    );
  }

  async close(): Promise<void> {
    this.#client.close();
    await this.#server.stop();
  }

  async *#pieces(kind: (depth: number, allocation: number) => Piece["kind"]): AsyncGenerator<Piece> {
    const end = this.#client.info.bytes;
    let offset = 0;
    while (offset < end) {
      const asked = Math.min(STATUS_BYTES, end - offset);
      const status = await this.#client.blockStatus(offset, asked);
      const before = offset;
      for (const run of inStep(status.get(DEPTH) ?? [], status.get(ALLOCATION) ?? [], asked)) {
        yield { offset, bytes: run.bytes, kind: kind(run.left, run.right) };
        offset += run.bytes;
      }
      if (offset === before) throw new HomewardError("DAMAGED", "the NBD server told nothing about a range");
    }
  }
}

/**
 * Ends the program when this process is killed, or was already when it comes to say so: a qemu-nbd that never had a client
 * would wait for one for ever. Killed, as it would forget a SIGTERM that comes while it starts; what counts was flushed.
 */
const TIED = ["--pdeathsig", "KILL", "--", "sh", "-c", '[ "$PPID" = "$1" ] && shift && exec "$@"', "sh", String(process.pid)];

/** A qemu-nbd for one client: it ends by itself when that client goes, also when this whole process is killed. */
class NbdServer {
  readonly socket: string;
  /** Resolves when it has ended and all its words are read. */
  readonly exited: Promise<unknown>;
  readonly #child: ChildProcess;
  #words = "";

  constructor(socket: string, child: ChildProcess) {
    this.socket = socket;
    this.#child = child;
    this.exited = once(child, "close");
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#words = (this.#words + chunk.toString()).slice(-4096);
    });
  }

  static async start(layers: readonly string[], options: OpenDiskOptions): Promise<NbdServer> {
    const socket = socketPath(join(options.runDir, `nbd-${randomBytes(4).toString("hex")}.sock`));
    const { writable } = options;
    const args = [
      `--socket=${socket}`,
      `--export-name=${EXPORT_NAME}`,
      "--allocation-depth",
      "--shared=1",
      "--cache=writeback",
      ...(writable ? ["--discard=unmap", "--detect-zeroes=unmap"] : ["--read-only"]),
      "--",
      chainFileName(layers, { writable, flush: "safe" }),
    ];
    return new NbdServer(socket, await start("setpriv", [...TIED, QEMU_NBD, ...args], { stdio: ["ignore", "ignore", "pipe"] }));
  }

  /** Why it ended before its time. */
  failure(): HomewardError {
    const words = this.#words.trim();
    // The shell's word for a program that it does not find.
    if (this.#child.exitCode === 127) return missing(QEMU_NBD);
    if (/Failed to get .* lock/.test(words))
      return new HomewardError("CONFLICT", `the disk is in use by another program: ${words}`);
    return new HomewardError("GUEST", `${QEMU_NBD} ended with ${this.#child.exitCode}: ${words}`);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async endsWithin(ms: number): Promise<boolean> {
    try {
      await withTimeout(this.exited, ms, QEMU_NBD);
      return true;
    } catch {
      return false;
    }
  }

  async stop(): Promise<void> {
    if (!(await this.endsWithin(CLOSE_TIMEOUT_MS))) {
      this.kill();
      await this.exited;
    }
    await rm(this.socket, { force: true });
  }
}

async function connect(server: NbdServer, signal: AbortSignal | undefined): Promise<NbdClient> {
  const gone = new AbortController();
  void server.exited.then(() => {
    gone.abort(server.failure());
  });
  const stop = signal === undefined ? gone.signal : AbortSignal.any([gone.signal, signal]);
  const socket = await withTimeout(connectWhenListening(server.socket, stop), START_TIMEOUT_MS, QEMU_NBD);
  try {
    return await NbdClient.open(socket, { exportName: EXPORT_NAME, contexts: [ALLOCATION, DEPTH], signal: stop });
  } catch (error) {
    // It listens before it opens the image (7.2): one that cannot open it takes the connection, drops it, and only its
    // last words tell why.
    if (await server.endsWithin(GIVE_UP_MS)) throw signal?.aborted === true ? abortReason(signal) : server.failure();
    throw error;
  }
}

/**
 * Opens a disk without a virtual machine, through qemu-nbd. A suspended QEMU has let go of its images, a running one has
 * not, and its disk cannot be opened.
 * @param layers absolute paths of qcow2 files, the top one first
 * @throws CONFLICT if another program writes to a layer, DAMAGED, NOT_FOUND, USAGE, ENVIRONMENT, GUEST, CANCELLED
 */
export async function openDisk(layers: readonly string[], options: OpenDiskOptions): Promise<DiskBlocks> {
  const { signal } = options;
  throwIfAborted(signal);
  await checkLayers(layers);
  const server = await NbdServer.start(layers, options);
  try {
    const client = await connect(server, signal);
    const disk = new NbdDisk(client, server);
    const onAbort = (): void => {
      if (signal !== undefined) client.close(abortReason(signal));
      server.kill();
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    void server.exited.then(() => signal?.removeEventListener("abort", onAbort));
    return disk;
  } catch (error) {
    server.kill();
    await server.stop();
    throw error;
  }
}
