import { HomewardError } from "../../common/errors.ts";
import { CLIENT_MESSAGE, setEncodings } from "./client-messages.ts";
import type { ParseSteps } from "./stepwise-parser.ts";

/**
 * What becomes of the messages of a viewer. For one message `forward` is called first, then `key` or `pointer`; neither for
 * a key that is swallowed.
 */
export interface ViewerSink {
  /** Bytes of whole messages for the display server. A view of what came in: written, not kept. */
  forward(bytes: Buffer): void;
  /** Whether a key event is not for the display server. */
  swallows(down: boolean, keysym: number): boolean;
  /** @param keycode 0 if the viewer sent a plain key event */
  key(down: boolean, keysym: number, keycode: number): void;
  pointer(x: number, y: number, buttons: number): void;
}

const MAX_ENCODINGS = 1024;
const MAX_CUT_TEXT = 1 << 20;
const SKIP_STEP = 64 * 1024;
const SECURITY_NONE = 1;

/**
 * Pseudo-encodings that let the server say more but do not change what the viewer's own messages mean: LastRect,
 * DesktopSize, cursors and pointer position, desktop name, QEMU's extended key event.
 */
const HARMLESS_PSEUDO_ENCODINGS = new Set([-224, -223, -239, -240, -232, -307, -314, -258, -260]);

/**
 * Whether a viewer may ask the server for an encoding. Picture encodings, and quality and compression levels, are fine.
 * What is held back would let input reach the guest past the log or give logged input another meaning: relative pointer
 * (-257), extended desktop size (-308: the viewer then resizes the guest's screen), the LED state (-261: QEMU then no
 * longer presses Caps Lock for that viewer, but would at replay), audio (-259), the extended clipboard, xvp (-309), and
 * whatever a newer QEMU comes up with.
 */
function mayAskFor(encoding: number): boolean {
  if (encoding >= 0) return true;
  const quality = encoding >= -32 && encoding <= -23;
  const fineQuality = encoding >= -512 && encoding <= -412;
  const compression = encoding >= -256 && encoding <= -247;
  return quality || fineQuality || compression || HARMLESS_PSEUDO_ENCODINGS.has(encoding);
}

function refuse(message: string): HomewardError {
  return new HomewardError("PEER", `a viewer of the console ${message}`);
}

/** RFC 6143 7.1 to 7.3.1. The shared flag is always sent on as 1: a viewer that wants to be alone just joins. */
function* handshake(sink: ViewerSink): ParseSteps {
  const version = yield 12;
  const minor = /^RFB 003\.00([34578])\n$/.exec(version.toString("latin1"))?.[1];
  if (minor === undefined) throw refuse("does not speak RFB 3.3, 3.7 or 3.8");
  sink.forward(version);
  // QEMU takes 3.4 and 3.5 for 3.3, where the server alone decides on the security type.
  if (minor === "7" || minor === "8") {
    const security = yield 1;
    if (security[0] !== SECURITY_NONE) throw refuse(`asked for the security type ${String(security[0])}`);
    sink.forward(security);
  }
  yield 1;
  sink.forward(Buffer.from([1]));
}

function* encodings(sink: ViewerSink): ParseSteps {
  const count = (yield 3).readUInt16BE(1);
  if (count > MAX_ENCODINGS) throw refuse(`asked for ${count} encodings`);
  const list = count === 0 ? Buffer.alloc(0) : yield count * 4;
  const allowed: number[] = [];
  for (let i = 0; i < count; i++) {
    const encoding = list.readInt32BE(i * 4);
    if (mayAskFor(encoding)) allowed.push(encoding);
  }
  sink.forward(setEncodings(allowed));
}

/**
 * The clipboard of the viewer's computer stays there: no guest of ours has an agent that could take it, and if one had,
 * it would be input that the log does not hold.
 */
function* dropCutText(): ParseSteps {
  const length = (yield 7).readUInt32BE(3);
  if (length > MAX_CUT_TEXT) throw refuse(`sent a clipboard text of ${length} bytes`);
  for (let left = length; left > 0; left -= SKIP_STEP) yield Math.min(left, SKIP_STEP);
}

/** Message type 255: extended key event (subtype 0) and audio (subtype 1, never offered, so it is dropped). */
function* qemuMessage(sink: ViewerSink): ParseSteps {
  const subtype = (yield 1).readUInt8(0);
  if (subtype === 0) {
    const body = yield 10;
    const [down, keysym] = [body.readUInt16BE(0) !== 0, body.readUInt32BE(2)];
    if (sink.swallows(down, keysym)) return;
    sink.forward(Buffer.concat([Buffer.from([CLIENT_MESSAGE.qemu, 0]), body]));
    sink.key(down, keysym, body.readUInt32BE(6) & 0xffff);
  } else if (subtype === 1) {
    const operation = (yield 2).readUInt16BE(0);
    if (operation > 2) throw refuse(`sent the unknown audio operation ${operation}`);
    if (operation === 2) yield 6;
  } else throw refuse(`sent a QEMU message of the unknown type ${subtype}`);
}

/** The type byte has been read; puts it back in front of the rest, so that the server gets the message whole. */
function whole(type: number, rest: Buffer): Buffer {
  const message = Buffer.allocUnsafe(rest.length + 1);
  message[0] = type;
  rest.copy(message, 1);
  return message;
}

/**
 * The whole stream from viewer to server, from the first byte on. The server only ever gets complete messages of known
 * types. Never returns; throws PEER at anything else.
 */
export function* viewerMessages(sink: ViewerSink): ParseSteps {
  yield* handshake(sink);
  for (;;) {
    const type = (yield 1).readUInt8(0);
    switch (type) {
      case CLIENT_MESSAGE.setPixelFormat:
        sink.forward(whole(type, yield 19));
        break;
      case CLIENT_MESSAGE.setEncodings:
        yield* encodings(sink);
        break;
      case CLIENT_MESSAGE.framebufferUpdateRequest:
        sink.forward(whole(type, yield 9));
        break;
      case CLIENT_MESSAGE.keyEvent: {
        const body = yield 7;
        const [down, keysym] = [body[0] !== 0, body.readUInt32BE(3)];
        if (sink.swallows(down, keysym)) break;
        sink.forward(whole(type, body));
        sink.key(down, keysym, 0);
        break;
      }
      case CLIENT_MESSAGE.pointerEvent: {
        const body = yield 5;
        sink.forward(whole(type, body));
        sink.pointer(body.readUInt16BE(1), body.readUInt16BE(3), body.readUInt8(0));
        break;
      }
      case CLIENT_MESSAGE.clientCutText:
        yield* dropCutText();
        break;
      case CLIENT_MESSAGE.qemu:
        yield* qemuMessage(sink);
        break;
      default:
        throw refuse(`sent a message of the unknown type ${type}`);
    }
  }
}
