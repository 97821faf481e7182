import { HomewardError } from "../common/errors.ts";
import { INPUT_LOG_LIMITS } from "./input-log/events.ts";
import { MAX_FRAME_BYTES as RESIDUAL_BYTES, MAX_MESSAGE_BYTES as EXCHANGE_BYTES } from "./residual/limits.ts";

/**
 * Frames of the connection between two hosts: u32 payload length (big-endian), u8 type, payload. The first frame each
 * way is `hello`. What the JSON payloads hold is in wire/messages.ts; the order of frames is in docs/protocol.md.
 */
export const WIRE_MAGIC = "homeward";
export const WIRE_VERSION = 1;
export const FRAME_HEADER_BYTES = 5;
export const MAX_FRAME_BYTES = 4 * 1024 * 1024;

/** What the bytes of a frame are for; every frame type belongs to exactly one, so the kinds sum to the link's bytes. */
export const BYTE_KINDS = ["log", "index", "need", "residual", "device", "control"] as const;
export type ByteKind = (typeof BYTE_KINDS)[number];

interface FrameType {
  readonly type: number;
  readonly kind: ByteKind;
  /** Longest payload in bytes; a longer one is refused on its header, before any of it is kept. */
  readonly max: number;
}

const JSON_BYTES = 64 * 1024;
const SMALL_BYTES = 4096;
/** The device state is cut into pieces of this size. */
export const DEVICE_PIECE_BYTES = 1024 * 1024;

/** As much of rsync's stream as goes into one frame. */
export const RSYNC_PIECE_BYTES = 64 * 1024;

/** Every frame there is. Numbers are never reused. */
export const FRAMES = {
  hello: { type: 1, kind: "control", max: 1024 },
  ping: { type: 2, kind: "control", max: 0 },
  pong: { type: 3, kind: "control", max: 0 },
  /** Ends the exchange with a reason; as the answer to an offer it is a refusal. */
  abort: { type: 4, kind: "control", max: JSON_BYTES },
  progress: { type: 5, kind: "control", max: SMALL_BYTES },
  /** How many numbered frames of the other side have come, u32: it need not keep them any longer. */
  ack: { type: 6, kind: "control", max: 4 },
  /** The same, as the answer to a greeting that goes on with a link. */
  resumed: { type: 7, kind: "control", max: 4 },
  /** All was said: this side does not come back to this link. */
  bye: { type: 8, kind: "control", max: 0 },
  /** The source does not want to wait for the rest of the replay: what the twin made so far is used. */
  stopReplay: { type: 9, kind: "control", max: 0 },

  offer: { type: 10, kind: "control", max: JSON_BYTES },
  accept: { type: 11, kind: "control", max: 0 },
  /** Asks what keeps the other host from running a machine, and does nothing else. */
  check: { type: 12, kind: "control", max: JSON_BYTES },
  checked: { type: 13, kind: "control", max: JSON_BYTES },

  /** A generation is to be laid down; the receiver asks for its files one by one, in any order, until it is `pushed`. */
  push: { type: 14, kind: "control", max: JSON_BYTES },
  pushWant: { type: 15, kind: "control", max: SMALL_BYTES },
  pushStart: { type: 16, kind: "control", max: SMALL_BYTES },
  /** What the two rsync processes say to each other about one file. */
  rsync: { type: 17, kind: "residual", max: RSYNC_PIECE_BYTES },
  rsyncEnd: { type: 18, kind: "residual", max: 0 },
  pushed: { type: 19, kind: "control", max: SMALL_BYTES },

  logSegment: { type: 20, kind: "log", max: INPUT_LOG_LIMITS.segmentBytes },
  logEnd: { type: 21, kind: "log", max: 0 },
  index: { type: 30, kind: "index", max: EXCHANGE_BYTES },
  indexEnd: { type: 31, kind: "index", max: 0 },
  need: { type: 40, kind: "need", max: EXCHANGE_BYTES },
  needEnd: { type: 41, kind: "need", max: SMALL_BYTES },
  residual: { type: 50, kind: "residual", max: RESIDUAL_BYTES },
  residualEnd: { type: 51, kind: "residual", max: 0 },
  device: { type: 60, kind: "device", max: DEVICE_PIECE_BYTES },
  deviceEnd: { type: 61, kind: "device", max: SMALL_BYTES },

  /** The manifest of the state that was sent: the destination's files must have this root. */
  manifest: { type: 70, kind: "control", max: JSON_BYTES },
  /** Asks for the children of a node of the source's Merkle tree, to find which blocks differ. */
  treeQuery: { type: 71, kind: "need", max: EXCHANGE_BYTES },
  treeHashes: { type: 72, kind: "index", max: EXCHANGE_BYTES },
  /** Asks for block ranges again, whole; answered with `residual` frames. */
  refetch: { type: 73, kind: "need", max: EXCHANGE_BYTES },
  /** Asks for the device state again, whole; answered with `device` frames. */
  deviceAgain: { type: 74, kind: "need", max: 0 },

  prepared: { type: 80, kind: "control", max: JSON_BYTES },
  release: { type: 81, kind: "control", max: SMALL_BYTES },
  taken: { type: 82, kind: "control", max: SMALL_BYTES },
  done: { type: 83, kind: "control", max: SMALL_BYTES },
  report: { type: 84, kind: "control", max: 256 * 1024 },

  /** After a crash: what became of this migration? */
  query: { type: 90, kind: "control", max: SMALL_BYTES },
  verdict: { type: 91, kind: "control", max: SMALL_BYTES },
  /** Which generations of workspaces that both may have does the other host hold? */
  holdings: { type: 92, kind: "control", max: 0 },
  held: { type: 93, kind: "control", max: 512 * 1024 },

  /** The workspace was taken over: what the other host has of it is older and counts no longer. */
  fence: { type: 94, kind: "control", max: SMALL_BYTES },
  fenced: { type: 95, kind: "control", max: SMALL_BYTES },
} as const satisfies Record<string, FrameType>;

export type FrameName = keyof typeof FRAMES;

export interface Frame {
  readonly name: FrameName;
  readonly payload: Buffer;
}

const UNNUMBERED: ReadonlySet<FrameName> = new Set(["hello", "ping", "pong", "abort", "progress", "ack", "resumed", "bye", "stopReplay"]);

/** Whether the frame is part of what is said, and is said again over a new connection; the others are about the link. */
export function isNumbered(name: FrameName): boolean {
  return !UNNUMBERED.has(name);
}

const NAME_OF_TYPE = new Map<number, FrameName>(
  (Object.keys(FRAMES) as FrameName[]).map((name) => [FRAMES[name].type, name]),
);

/** The five bytes before a payload. @throws INTERNAL if the payload is longer than this frame may be */
export function frameHeader(name: FrameName, payloadBytes: number): Buffer {
  const { type, max } = FRAMES[name];
  if (payloadBytes > max)
    throw new HomewardError("INTERNAL", `a ${name} frame of ${payloadBytes} bytes is longer than ${max}`);
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  header.writeUInt32BE(payloadBytes, 0);
  header.writeUInt8(type, 4);
  return header;
}

/** Size on the wire of a frame with that many payload bytes. */
export function frameBytes(payloadBytes: number): number {
  return FRAME_HEADER_BYTES + payloadBytes;
}

/**
 * Cuts a byte stream into frames, however it was split up. Nothing is kept beyond one frame, and a header that cannot
 * be right (unknown type, too long, anything but `hello` first) is refused before its payload is read.
 */
export class FrameParser {
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerFilled = 0;
  #name: FrameName | null = null;
  #payload: Buffer = Buffer.alloc(0);
  #payloadFilled = 0;
  #greeted = false;

  /**
   * Complete frames in `chunk` and what came before it, one by one: what precedes something malformed arrived all the same.
   * Payloads are copies. All have to be taken. @throws PEER on anything malformed
   */
  *push(chunk: Buffer): Generator<Frame, void, undefined> {
    let at = 0;
    for (;;) {
      if (this.#name === null) {
        at += this.#fillHeader(chunk, at);
        if (this.#headerFilled < FRAME_HEADER_BYTES) return;
        this.#startPayload();
      }
      const copied = chunk.copy(this.#payload, this.#payloadFilled, at);
      at += copied;
      this.#payloadFilled += copied;
      if (this.#payloadFilled < this.#payload.length) return;
      yield this.#takeFrame();
    }
  }

  /** A stream may only end between two frames. @throws PEER */
  end(): void {
    if (this.#headerFilled > 0) throw new HomewardError("PEER", "the connection ended in the middle of a message");
  }

  #fillHeader(chunk: Buffer, at: number): number {
    const copied = chunk.copy(this.#header, this.#headerFilled, at);
    this.#headerFilled += copied;
    return copied;
  }

  #startPayload(): void {
    const length = this.#header.readUInt32BE(0);
    const type = this.#header.readUInt8(4);
    const name = NAME_OF_TYPE.get(type);
    if (!this.#greeted && name !== "hello")
      throw new HomewardError("PEER", "what answered is not a Homeward host", { data: { type, length } });
    if (this.#greeted && name === "hello") throw new HomewardError("PEER", "the other host greeted twice");
    if (name === undefined)
      throw new HomewardError("PEER", `unknown message type ${type}`, {
        hint: "The two hosts may run different versions of Homeward.",
      });
    if (length > FRAMES[name].max)
      throw new HomewardError("PEER", `a ${name} message of ${length} bytes is too long`, {
        data: { max: FRAMES[name].max },
      });
    this.#greeted = true;
    this.#name = name;
    this.#payload = Buffer.allocUnsafe(length);
    this.#payloadFilled = 0;
  }

  #takeFrame(): Frame {
    const name = this.#name;
    if (name === null) throw new HomewardError("INTERNAL", "no frame was begun");
    const frame = { name, payload: this.#payload };
    this.#name = null;
    this.#headerFilled = 0;
    this.#payload = Buffer.alloc(0);
    return frame;
  }
}

/** Bytes by kind, headers included. */
export class ByteCounter {
  readonly #bytes = new Map<ByteKind, number>(BYTE_KINDS.map((kind) => [kind, 0]));

  add(name: FrameName, payloadBytes: number): void {
    const { kind } = FRAMES[name];
    this.#bytes.set(kind, this.of(kind) + frameBytes(payloadBytes));
  }

  /** Bytes of frames about the connection. */
  addControl(bytes: number): void {
    this.#bytes.set("control", this.of("control") + bytes);
  }

  of(kind: ByteKind): number {
    return this.#bytes.get(kind) ?? 0;
  }

  get total(): number {
    return BYTE_KINDS.reduce((sum, kind) => sum + this.of(kind), 0);
  }

  /** As in a report. */
  toJSON(): Record<ByteKind | "total", number> {
    return {
      log: this.of("log"),
      index: this.of("index"),
      need: this.of("need"),
      residual: this.of("residual"),
      device: this.of("device"),
      control: this.of("control"),
      total: this.total,
    };
  }
}
