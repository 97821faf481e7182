import type { Duplex } from "node:stream";
import { abortable, withTimeout } from "../common/abort.ts";
import { HomewardError, toHomewardError } from "../common/errors.ts";
import { freeBuffer } from "../common/free-buffer.ts";
import {
  COMMAND,
  encodeRequest,
  MAX_REQUEST_BYTES,
  NbdStream,
  type NbdChunk,
  type NbdExport,
  type NbdExtent,
} from "./nbd-stream.ts";

/** Enough to keep a local server busy; with MAX_REQUEST_BYTES it bounds what is buffered. */
const MAX_IN_FLIGHT = 16;
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** A stuck disk, not a slow one. */
const REQUEST_TIMEOUT_MS = 120_000;
const ENOSPC = 28;

interface Request {
  readonly command: number;
  readonly offset: number;
  readonly bytes: number;
  readonly payload?: Buffer;
}

/** Status extents of one request by the name of their meta context. */
export type BlockStatus = ReadonlyMap<string, readonly NbdExtent[]>;

class PendingRequest {
  readonly request: Request;
  readonly status = new Map<number, readonly NbdExtent[]>();
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  #data: Buffer | undefined;
  #covered = 0;
  #error: HomewardError | undefined;

  constructor(request: Request, resolve: () => void, reject: (error: Error) => void) {
    this.request = request;
    this.resolve = resolve;
    this.reject = reject;
  }

  /** What was read. Zeroed first: pieces that the server leaves out or calls holes never show old memory. */
  get data(): Buffer {
    this.#data ??= Buffer.alloc(this.#bytes);
    return this.#data;
  }

  get #bytes(): number {
    return this.request.command === COMMAND.READ ? this.request.bytes : 0;
  }

  /** @throws DAMAGED on a reply that does not belong to this request */
  take(chunk: NbdChunk): void {
    if (chunk.kind === "error") {
      const code = chunk.errno === ENOSPC ? "NO_ROOM" : "GUEST";
      this.#error ??= new HomewardError(code, `disk error ${chunk.errno} ${chunk.text}`.trim(), {
        data: { errno: chunk.errno, offset: this.request.offset, bytes: this.request.bytes },
      });
    } else if (chunk.kind === "data") {
      this.#cover(chunk.offset, chunk.data.length);
      if (chunk.data.length === this.#bytes) this.#data = chunk.data;
      else this.data.set(chunk.data, chunk.offset - this.request.offset);
    } else if (chunk.kind === "hole") {
      this.#cover(chunk.offset, chunk.bytes);
    } else if (chunk.kind === "status") {
      if (this.request.command !== COMMAND.BLOCK_STATUS) throw unexpected();
      this.status.set(chunk.context, chunk.extents);
    }
  }

  #cover(offset: number, bytes: number): void {
    const start = offset - this.request.offset;
    if (this.request.command !== COMMAND.READ || start < 0 || start + bytes > this.#bytes) throw unexpected();
    this.#covered += bytes;
  }

  finish(): void {
    if (this.#error === undefined && this.#covered !== this.#bytes) this.#error = unexpected();
    if (this.#error === undefined) this.resolve();
    else this.reject(this.#error);
  }
}

function unexpected(): HomewardError {
  return new HomewardError("DAMAGED", "the NBD server's reply does not fit the request");
}

/** One connection to one export; requests may overlap, and are answered in any order. Offsets and lengths in bytes. */
export class NbdClient {
  readonly #socket: Duplex;
  readonly #stream: NbdStream;
  readonly #pending = new Map<bigint, PendingRequest>();
  readonly #queue: (() => void)[] = [];
  #inFlight = 0;
  #lastHandle = 0n;
  #failure: HomewardError | undefined;
  #info: NbdExport | undefined;
  #onReady: (info: NbdExport) => void = () => undefined;
  #onFailed: (error: HomewardError) => void = () => undefined;
  readonly #ready: Promise<NbdExport>;

  /** Takes over a connected socket; use `NbdClient.open`. */
  constructor(socket: Duplex, exportName: string, contexts: readonly string[]) {
    this.#socket = socket;
    this.#ready = new Promise((resolve, reject) => {
      this.#onReady = resolve;
      this.#onFailed = reject;
    });
    this.#ready.catch(() => undefined);
    const session = {
      send: (data: Buffer) => {
        this.#socket.write(data);
      },
      ready: (info: NbdExport) => {
        this.#info = info;
        this.#onReady(info);
      },
      chunk: (chunk: NbdChunk) => {
        this.#take(chunk);
      },
    };
    this.#stream = new NbdStream(session, exportName, contexts);
    socket.on("data", (chunk: Buffer) => {
      this.#receive(chunk);
      freeBuffer(chunk);
    });
    socket.on("error", (error: Error) => {
      this.#fail(new HomewardError("GUEST", "the connection to the NBD server broke", { cause: error }));
    });
    socket.on("close", () => {
      this.#fail(new HomewardError("GUEST", "the NBD server closed its connection"));
    });
  }

  /** Shakes hands on a connected socket. @throws ENVIRONMENT if a context is not offered, GUEST, DAMAGED, TIMEOUT */
  static async open(
    socket: Duplex,
    options: { readonly exportName: string; readonly contexts: readonly string[]; readonly signal?: AbortSignal },
  ): Promise<NbdClient> {
    const client = new NbdClient(socket, options.exportName, options.contexts);
    try {
      await withTimeout(abortable(client.#ready, options.signal), HANDSHAKE_TIMEOUT_MS, "the NBD server");
      return client;
    } catch (error) {
      client.#fail(toHomewardError(error));
      throw error;
    }
  }

  get info(): NbdExport {
    if (this.#info === undefined) throw new HomewardError("INTERNAL", "used before the handshake");
    return this.#info;
  }

  /** Reads `bytes` at `offset`; large reads as several requests at a time. @throws GUEST, DAMAGED, TIMEOUT */
  async read(offset: number, bytes: number): Promise<Buffer> {
    if (bytes <= MAX_REQUEST_BYTES) return (await this.#send({ command: COMMAND.READ, offset, bytes })).data;
    const pieces: Promise<Buffer>[] = [];
    for (let at = 0; at < bytes; at += MAX_REQUEST_BYTES)
      pieces.push(this.read(offset + at, Math.min(MAX_REQUEST_BYTES, bytes - at)));
    return Buffer.concat(await Promise.all(pieces), bytes);
  }

  /** `data` must not be changed before this resolves. @throws GUEST, NO_ROOM, TIMEOUT */
  async write(offset: number, data: Buffer): Promise<void> {
    const pieces: Promise<PendingRequest>[] = [];
    for (let at = 0; at < data.length; at += MAX_REQUEST_BYTES) {
      const payload = data.subarray(at, at + MAX_REQUEST_BYTES);
      pieces.push(this.#send({ command: COMMAND.WRITE, offset: offset + at, bytes: payload.length, payload }));
    }
    await Promise.all(pieces);
  }

  /** Makes the range read as zeros, without using room where the format can say so. @throws GUEST, NO_ROOM, TIMEOUT */
  async writeZeroes(offset: number, bytes: number): Promise<void> {
    // A request's length has 32 bits.
    const most = 1024 * MAX_REQUEST_BYTES;
    for (let at = 0; at < bytes; at += most)
      await this.#send({ command: COMMAND.WRITE_ZEROES, offset: offset + at, bytes: Math.min(most, bytes - at) });
  }

  /** Resolves when everything written before is on stable storage. */
  async flush(): Promise<void> {
    await this.#send({ command: COMMAND.FLUSH, offset: 0, bytes: 0 });
  }

  /** What the agreed meta contexts say about a range; the server may tell about less of it, or more. */
  async blockStatus(offset: number, bytes: number): Promise<BlockStatus> {
    const { status } = await this.#send({ command: COMMAND.BLOCK_STATUS, offset, bytes });
    const byName = new Map<string, readonly NbdExtent[]>();
    for (const [id, name] of this.info.contexts) {
      const extents = status.get(id);
      if (extents === undefined) throw unexpected();
      byName.set(name, extents);
    }
    return byName;
  }

  /** Says goodbye, so that the server ends the connection after what it was asked. Unanswered calls throw `reason`. */
  close(reason: Error = new HomewardError("CANCELLED", "the disk was closed")): void {
    if (this.#failure !== undefined) return;
    const goodbye = encodeRequest({ command: COMMAND.DISC, handle: 0n, offset: 0, bytes: 0 });
    this.#socket.end(goodbye);
    this.#fail(toHomewardError(reason), "gently");
  }

  async #send(request: Request): Promise<PendingRequest> {
    if (request.offset < 0 || request.offset + request.bytes > this.info.bytes)
      throw new HomewardError("INTERNAL", `${request.bytes} bytes at ${request.offset} are outside the disk`);
    if (this.#inFlight >= MAX_IN_FLIGHT) await new Promise<void>((resolve) => this.#queue.push(resolve));
    else this.#inFlight++;
    try {
      return await withTimeout(this.#exchange(request), REQUEST_TIMEOUT_MS, "the NBD server");
    } finally {
      const next = this.#queue.shift();
      // The place in flight is handed on, or given back.
      if (next === undefined) this.#inFlight--;
      else next();
    }
  }

  #exchange(request: Request): Promise<PendingRequest> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      const handle = ++this.#lastHandle;
      const pending = new PendingRequest(
        request,
        () => {
          resolve(pending);
        },
        reject,
      );
      this.#pending.set(handle, pending);
      this.#socket.cork();
      this.#socket.write(encodeRequest({ ...request, handle }));
      if (request.payload !== undefined) this.#socket.write(request.payload);
      this.#socket.uncork();
    });
  }

  #receive(chunk: Buffer): void {
    if (this.#failure !== undefined) return;
    try {
      this.#stream.push(chunk);
    } catch (error) {
      this.#fail(toHomewardError(error));
    }
  }

  #take(chunk: NbdChunk): void {
    const pending = this.#pending.get(chunk.handle);
    if (pending === undefined) throw unexpected();
    pending.take(chunk);
    if (!chunk.done) return;
    this.#pending.delete(chunk.handle);
    pending.finish();
  }

  #fail(error: HomewardError, how: "gently" | "at once" = "at once"): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    if (how === "at once") this.#socket.destroy();
    this.#onFailed(error);
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }
}
