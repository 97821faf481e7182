import { HomewardError } from "../common/errors.ts";

/**
 * The client's half of the NBD protocol as far as bytes go: what to send, and a parser for what comes back, without a
 * socket. Source: NetworkBlockDevice/nbd doc/proto.md (fixed newstyle, structured replies, meta contexts).
 */
const MAGIC = 0x4e42444d41474943n; // "NBDMAGIC"
const OPTION_MAGIC = 0x49484156454f5054n; // "IHAVEOPT"
const OPTION_REPLY_MAGIC = 0x0003e889045565a9n;
const REQUEST_MAGIC = 0x25609513;
const SIMPLE_REPLY_MAGIC = 0x67446698;
const STRUCTURED_REPLY_MAGIC = 0x668e33ef;

const HANDSHAKE_FIXED_NEWSTYLE = 1;
const HANDSHAKE_NO_ZEROES = 2;

const OPTION = { GO: 7, STRUCTURED_REPLY: 8, SET_META_CONTEXT: 10 } as const;
const REPLY = { ACK: 1, INFO: 3, META_CONTEXT: 4, ERROR: 0x80000000 } as const;
const INFO_EXPORT = 0;
const CHUNK = { NONE: 0, DATA: 1, HOLE: 2, STATUS: 5, ERROR: 0x8001, ERROR_OFFSET: 0x8002 } as const;
const CHUNK_IS_ERROR = 0x8000;
const CHUNK_DONE = 1;

export const COMMAND = { READ: 0, WRITE: 1, DISC: 2, FLUSH: 3, WRITE_ZEROES: 6, BLOCK_STATUS: 7 } as const;
export const EXPORT_READ_ONLY = 2;

/** The most that one request may read or write; every server has to take 32 MiB, less keeps others from waiting. */
export const MAX_REQUEST_BYTES = 1_048_576;
/** Option replies are names and numbers. */
const MAX_OPTION_REPLY_BYTES = 65_536;
/** The larger of a read of MAX_REQUEST_BYTES and QEMU's longest list of extents (2^17 of them). */
const MAX_CHUNK_BYTES = 4 + 8 * 131_072 + 4096;
const MAX_OPTION_REPLIES = 1000;

export interface NbdExport {
  readonly bytes: number;
  readonly readOnly: boolean;
  /** Meta context names by the number that replies carry. */
  readonly contexts: ReadonlyMap<number, string>;
}

export interface NbdExtent {
  readonly bytes: number;
  readonly flags: number;
}

export type NbdChunk = { readonly handle: bigint; readonly done: boolean } & (
  | { readonly kind: "none" }
  | { readonly kind: "data"; readonly offset: number; readonly data: Buffer }
  | { readonly kind: "hole"; readonly offset: number; readonly bytes: number }
  | { readonly kind: "status"; readonly context: number; readonly extents: readonly NbdExtent[] }
  | { readonly kind: "error"; readonly errno: number; readonly text: string }
);

/** What the parser tells and asks its owner. */
export interface NbdSession {
  send(data: Buffer): void;
  /** The handshake is over; requests may be sent. */
  ready(info: NbdExport): void;
  chunk(chunk: NbdChunk): void;
}

export interface NbdRequest {
  readonly command: number;
  readonly handle: bigint;
  readonly offset: number;
  readonly bytes: number;
}

export function encodeRequest(request: NbdRequest): Buffer {
  const header = Buffer.alloc(28);
  header.writeUInt32BE(REQUEST_MAGIC, 0);
  header.writeUInt16BE(request.command, 6);
  header.writeBigUInt64BE(request.handle, 8);
  header.writeBigUInt64BE(BigInt(request.offset), 16);
  header.writeUInt32BE(request.bytes, 24);
  return header;
}

function broken(what: string): HomewardError {
  return new HomewardError("DAMAGED", `the NBD server does not keep to the protocol: ${what}`);
}

function safeNumber(value: bigint, what: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw broken(`${what} is too large`);
  return Number(value);
}

function lengthPrefixed(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function encodeOption(option: number, data: Buffer): Buffer {
  const header = Buffer.alloc(16);
  header.writeBigUInt64BE(OPTION_MAGIC, 0);
  header.writeUInt32BE(option, 8);
  header.writeUInt32BE(data.length, 12);
  return Buffer.concat([header, data]);
}

/** A parser asks for a number of bytes and is given exactly that many, in a buffer of its own. */
type Reading<T> = Generator<number, T, Buffer>;

interface OptionReply {
  readonly type: number;
  readonly data: Buffer;
}

/** Sends one option and gives its replies, without the final acknowledgement. */
function* negotiate(session: NbdSession, option: number, name: string, data: Buffer): Reading<OptionReply[]> {
  session.send(encodeOption(option, data));
  const replies: OptionReply[] = [];
  while (replies.length < MAX_OPTION_REPLIES) {
    const header = yield 20;
    if (header.readBigUInt64BE(0) !== OPTION_REPLY_MAGIC) throw broken("wrong magic number in an option reply");
    if (header.readUInt32BE(8) !== option) throw broken("a reply to another option");
    const type = header.readUInt32BE(12);
    const length = header.readUInt32BE(16);
    if (length > MAX_OPTION_REPLY_BYTES) throw broken("an option reply is too long");
    const body = length === 0 ? Buffer.alloc(0) : yield length;
    if (type === REPLY.ACK) return replies;
    if (type >= REPLY.ERROR) {
      const reason = body.toString("utf8").slice(0, 500);
      throw new HomewardError("GUEST", `the NBD server refused ${name}: ${reason === "" ? type : reason}`);
    }
    replies.push({ type, data: body });
  }
  throw broken("too many option replies");
}

function contextQuery(exportName: string, contexts: readonly string[]): Buffer {
  const count = Buffer.alloc(4);
  count.writeUInt32BE(contexts.length);
  return Buffer.concat([lengthPrefixed(exportName), count, ...contexts.map(lengthPrefixed)]);
}

function parseContexts(replies: readonly OptionReply[], wanted: readonly string[]): Map<number, string> {
  const contexts = new Map<number, string>();
  for (const { type, data } of replies) {
    if (type !== REPLY.META_CONTEXT || data.length < 4) throw broken("a malformed meta context");
    contexts.set(data.readUInt32BE(0), data.toString("utf8", 4));
  }
  const missing = wanted.find((name) => ![...contexts.values()].includes(name));
  if (missing !== undefined) throw new HomewardError("ENVIRONMENT", `the NBD server does not offer ${missing}`);
  return contexts;
}

function parseExport(replies: readonly OptionReply[], contexts: ReadonlyMap<number, string>): NbdExport {
  const info = replies.find(
    ({ type, data }) => type === REPLY.INFO && data.length === 12 && data.readUInt16BE(0) === INFO_EXPORT,
  );
  if (info === undefined) throw broken("no size given");
  const bytes = safeNumber(info.data.readBigUInt64BE(2), "the size");
  const flags = info.data.readUInt16BE(10);
  return { bytes, readOnly: (flags & EXPORT_READ_ONLY) !== 0, contexts };
}

function* handshake(session: NbdSession, exportName: string, wanted: readonly string[]): Reading<NbdExport> {
  const greeting = yield 18;
  if (greeting.readBigUInt64BE(0) !== MAGIC || greeting.readBigUInt64BE(8) !== OPTION_MAGIC)
    throw broken("it greets in no known way");
  const flags = greeting.readUInt16BE(16);
  if ((flags & HANDSHAKE_FIXED_NEWSTYLE) === 0) throw broken("it does not speak fixed newstyle");
  const answer = Buffer.alloc(4);
  answer.writeUInt32BE(HANDSHAKE_FIXED_NEWSTYLE | (flags & HANDSHAKE_NO_ZEROES));
  session.send(answer);
  yield* negotiate(session, OPTION.STRUCTURED_REPLY, "structured replies", Buffer.alloc(0));
  let contexts = new Map<number, string>();
  if (wanted.length > 0) {
    const query = contextQuery(exportName, wanted);
    contexts = parseContexts(yield* negotiate(session, OPTION.SET_META_CONTEXT, "meta contexts", query), wanted);
  }
  const go = Buffer.concat([lengthPrefixed(exportName), Buffer.alloc(2)]);
  return parseExport(yield* negotiate(session, OPTION.GO, "the export", go), contexts);
}

function parseStatus(body: Buffer): { context: number; extents: NbdExtent[] } {
  if (body.length < 12 || (body.length - 4) % 8 !== 0) throw broken("a malformed block status");
  const extents: NbdExtent[] = [];
  for (let at = 4; at < body.length; at += 8)
    extents.push({ bytes: body.readUInt32BE(at), flags: body.readUInt32BE(at + 4) });
  return { context: body.readUInt32BE(0), extents };
}

function parseError(body: Buffer): { errno: number; text: string } {
  if (body.length < 6) throw broken("a malformed error");
  const length = body.readUInt16BE(4);
  return { errno: body.readUInt32BE(0), text: body.toString("utf8", 6, 6 + Math.min(length, 500)) };
}

function parseChunk(type: number, head: Pick<NbdChunk, "handle" | "done">, body: Buffer): NbdChunk {
  if ((type & CHUNK_IS_ERROR) !== 0) return { ...head, kind: "error", ...parseError(body) };
  if (type === CHUNK.NONE) return { ...head, kind: "none" };
  if (type === CHUNK.STATUS) return { ...head, kind: "status", ...parseStatus(body) };
  if (type === CHUNK.HOLE && body.length === 12) {
    const offset = safeNumber(body.readBigUInt64BE(0), "an offset");
    return { ...head, kind: "hole", offset, bytes: body.readUInt32BE(8) };
  }
  throw broken(`a chunk of type ${type} and ${body.length} bytes`);
}

function* replies(session: NbdSession): Reading<never> {
  for (;;) {
    const magic = (yield 4).readUInt32BE(0);
    if (magic === SIMPLE_REPLY_MAGIC) {
      const header = yield 12;
      const errno = header.readUInt32BE(0);
      const head = { handle: header.readBigUInt64BE(4), done: true };
      session.chunk(errno === 0 ? { ...head, kind: "none" } : { ...head, kind: "error", errno, text: "" });
    } else if (magic === STRUCTURED_REPLY_MAGIC) {
      const header = yield 16;
      const length = header.readUInt32BE(12);
      if (length > MAX_CHUNK_BYTES) throw broken("a reply is too long");
      const done = (header.readUInt16BE(0) & CHUNK_DONE) !== 0;
      const type = header.readUInt16BE(2);
      const head = { handle: header.readBigUInt64BE(4), done };
      if (type === CHUNK.DATA && length > 8) {
        const offset = safeNumber((yield 8).readBigUInt64BE(0), "an offset");
        session.chunk({ ...head, kind: "data", offset, data: yield length - 8 });
      } else session.chunk(parseChunk(type, head, length === 0 ? Buffer.alloc(0) : yield length));
    } else {
      throw broken("wrong magic number in a reply");
    }
  }
}

function* conversation(session: NbdSession, exportName: string, contexts: readonly string[]): Reading<never> {
  session.ready(yield* handshake(session, exportName, contexts));
  return yield* replies(session);
}

/** Takes the server's bytes in any portions and tells `session` what they say. */
export class NbdStream {
  readonly #reading: Reading<never>;
  /** What the parser asked for, filled so far. */
  #wanted: Buffer;
  #have = 0;

  constructor(session: NbdSession, exportName: string, contexts: readonly string[]) {
    this.#reading = conversation(session, exportName, contexts);
    this.#wanted = room(this.#reading.next().value);
  }

  /**
   * Nothing of the chunk is looked at afterwards.
   * @throws DAMAGED when the server does not keep to the protocol, GUEST when it refuses an option
   */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const copied = chunk.copy(this.#wanted, this.#have, at);
      at += copied;
      this.#have += copied;
      if (this.#have < this.#wanted.length) return;
      this.#have = 0;
      this.#wanted = room(this.#reading.next(this.#wanted).value);
    }
  }
}

/** Blocks get memory of their own, which can move to a hash worker. */
function room(bytes: number): Buffer {
  return bytes < 4096 ? Buffer.allocUnsafe(bytes) : Buffer.allocUnsafeSlow(bytes);
}
