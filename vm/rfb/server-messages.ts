import { HomewardError } from "../../common/errors.ts";
import { ENCODING } from "./client-messages.ts";
import type { Framebuffer, Rect } from "./framebuffer.ts";
import type { ParseSteps } from "./stepwise-parser.ts";

const MAX_TEXT = 1 << 20;
const MAX_REASON = 4096;
const SKIP_STEP = 64 * 1024;
const SECURITY_NONE = 1;

export interface ServerSink {
  readonly frame: Framebuffer;
  send(message: Buffer): void;
  /** ServerInit has arrived and `frame` has its size. */
  initialised(): void;
  /** One FramebufferUpdate is in `frame`; `bytes` is what it took on the wire. */
  updated(rects: Rect[], bytes: number): void;
  extendedKeysOffered(): void;
}

function refuse(message: string): HomewardError {
  return new HomewardError("GUEST", `the display server ${message}`);
}

function* reason(): Generator<number, string, Buffer> {
  const length = (yield 4).readUInt32BE(0);
  if (length > MAX_REASON) return "";
  return length === 0 ? "" : (yield length).toString();
}

function* skip(bytes: number): ParseSteps {
  for (let left = bytes; left > 0; left -= SKIP_STEP) yield Math.min(left, SKIP_STEP);
}

/** RFC 6143 7.1 to 7.3 with protocol 3.8 and security type None, the only one on a private unix socket. */
function* handshake(sink: ServerSink, shared: boolean): ParseSteps {
  const version = (yield 12).toString("latin1");
  if (!/^RFB 003\.008\n$/.test(version)) throw refuse(`speaks "${version.trim()}", not RFB 3.8`);
  sink.send(Buffer.from("RFB 003.008\n", "latin1"));
  const types = (yield 1).readUInt8(0);
  if (types === 0) throw refuse(`refused the connection: ${yield* reason()}`);
  if (!(yield types).includes(SECURITY_NONE)) throw refuse("asks for a password");
  sink.send(Buffer.from([SECURITY_NONE]));
  if ((yield 4).readUInt32BE(0) !== 0) throw refuse(`refused the connection: ${yield* reason()}`);
  sink.send(Buffer.from([shared ? 1 : 0]));
  const init = yield 24;
  sink.frame.resize(init.readUInt16BE(0), init.readUInt16BE(2));
  const name = init.readUInt32BE(20);
  if (name > MAX_REASON) throw refuse("has an endless name");
  yield* skip(name);
  sink.initialised();
}

function* rawRows(frame: Framebuffer, rect: Rect): ParseSteps {
  frame.checkInside(rect);
  if (rect.width === 0) return;
  for (let row = 0; row < rect.height; row++) frame.putRow(rect.x, rect.y + row, yield rect.width * 4);
  frame.touch(rect);
}

/** RFC 6143 7.6.1 with the encodings that RfbClient asks for. */
function* framebufferUpdate(sink: ServerSink): ParseSteps {
  const header = yield 3;
  const count = header.readUInt16BE(1);
  const rects: Rect[] = [];
  let bytes = 4;
  for (let i = 0; i < count; i++) {
    const head = yield 12;
    bytes += 12;
    const rect = {
      x: head.readUInt16BE(0),
      y: head.readUInt16BE(2),
      width: head.readUInt16BE(4),
      height: head.readUInt16BE(6),
    };
    const encoding = head.readInt32BE(8);
    if (encoding === ENCODING.lastRect) break;
    if (encoding === ENCODING.qemuExtendedKey) {
      sink.extendedKeysOffered();
    } else if (encoding === ENCODING.desktopSize) {
      sink.frame.resize(rect.width, rect.height);
      rects.push({ x: 0, y: 0, width: rect.width, height: rect.height });
    } else if (encoding === ENCODING.copyRect) {
      sink.frame.checkInside(rect);
      const from = yield 4;
      sink.frame.copyRect({ x: from.readUInt16BE(0), y: from.readUInt16BE(2) }, rect);
      sink.frame.touch(rect);
      rects.push(rect);
      bytes += 4;
    } else if (encoding === ENCODING.raw) {
      yield* rawRows(sink.frame, rect);
      rects.push(rect);
      bytes += rect.width * rect.height * 4;
    } else throw refuse(`sent the encoding ${encoding}, which nobody asked for`);
  }
  sink.updated(rects, bytes);
}

/** The whole stream from server to client, from the first byte on. Never returns; throws GUEST at what it cannot be. */
export function* serverMessages(sink: ServerSink, shared: boolean): ParseSteps {
  yield* handshake(sink, shared);
  for (;;) {
    const type = (yield 1).readUInt8(0);
    if (type === 0) {
      yield* framebufferUpdate(sink);
    } else if (type === 1) {
      const colours = (yield 5).readUInt16BE(3);
      yield* skip(colours * 6);
    } else if (type === 3) {
      const length = (yield 7).readUInt32BE(3);
      if (length > MAX_TEXT) throw refuse("sent a clipboard text without end");
      yield* skip(length);
    } else if (type !== 2) throw refuse(`sent a message of the unknown type ${type}`);
  }
}
