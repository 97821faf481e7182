import assert from "node:assert/strict";
import {
  extendedKeyEvent,
  framebufferUpdateRequest,
  keyEvent,
  pointerEvent,
  setEncodings,
  setPixelFormatRgbx,
} from "../../../vm/rfb/client-messages.ts";
import { Framebuffer } from "../../../vm/rfb/framebuffer.ts";
import { serverMessages } from "../../../vm/rfb/server-messages.ts";
import { StepwiseParser } from "../../../vm/rfb/stepwise-parser.ts";
import { viewerMessages } from "../../../vm/rfb/viewer-messages.ts";
import { clientHello, GREETING, grey, serverInit, update } from "../../unit/rfb-fake-server.ts";
import type { FuzzedParser } from "../parser.ts";
import { inAnyPortions } from "../portions.ts";
import { pick, type Random } from "../random.ts";

const [WIDTH, HEIGHT] = [48, 32];
const HELLO = Buffer.concat([GREETING, Buffer.from([2, 2, 1, 0, 0, 0, 0]), serverInit(WIDTH, HEIGHT)]);
const LARGEST_SCREEN_BYTES = 7680 * 4320 * 4;

function fromServer(random: Random): Buffer {
  const [x, y, width, height] = [random(24), random(16), random(24), random(16)];
  switch (random(8)) {
    case 0:
      return Buffer.from([2]);
    case 1:
      return Buffer.from([3, 0, 0, 0, 0, 0, 0, 2, 65, 66]);
    case 2:
      return Buffer.from([1, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6]);
    case 3:
      return update([{ x: 0, y: 0, width: WIDTH, height: HEIGHT, encoding: -223 }]);
    case 4:
      return update([{ x: 0, y: 0, width: WIDTH, height: HEIGHT, encoding: -258 }]);
    case 5:
      return update([{ x, y, width, height, encoding: 1, data: Buffer.from([0, random(24), 0, random(16)]) }]);
    case 6:
      return Buffer.concat([
        Buffer.from([0, 0, 0xff, 0xff]),
        update([grey(x, y, width, height, random(256)), { x: 0, y: 0, width: 0, height: 0, encoding: -224 }]).subarray(4),
      ]);
    default:
      return update([grey(x, y, width, height, random(256)), grey(0, 0, 16, 16, 9)]);
  }
}

/** What a display server says: pictures, for the most part. */
export function rfbServer(): FuzzedParser {
  return {
    name: "rfb-server",
    code: [
      { file: "vm/rfb/server-messages.ts" },
      { file: "vm/rfb/stepwise-parser.ts" },
      { file: "vm/rfb/framebuffer.ts", functions: ["resize", "checkInside", "putRow", "copyRect", "touch", "lumaGrid", "#meanLuma"] },
    ],
    shape: "bytes",
    codes: ["GUEST"],
    largestBytes: LARGEST_SCREEN_BYTES,
    valid: (random) => [
      HELLO,
      ...Array.from({ length: 30 }, () => Buffer.concat([HELLO, ...Array.from({ length: 1 + random(5) }, () => fromServer(random))])),
    ],
    parse: (input, random) => {
      inAnyPortions(input, random, (portions, heard) => {
        const frame = new Framebuffer();
        const sink = {
          frame,
          send: heard,
          initialised: () => {
            heard("initialised");
          },
          updated: (...update: readonly unknown[]) => {
            heard(update);
          },
          extendedKeysOffered: () => {
            heard("extended keys");
          },
        };
        const parser = new StepwiseParser(serverMessages(sink, true));
        try {
          for (const portion of portions) parser.push(portion);
        } finally {
          if (frame.pixels.length < 1_000_000) heard([frame.width, frame.height, Buffer.from(frame.pixels), frame.lumaGrid()]);
        }
        assert.equal(parser.done, false);
      });
      return true;
    },
  };
}

function cutText(bytes: number): Buffer {
  const head = Buffer.from([6, 0, 0, 0, 0, 0, bytes >> 8, bytes & 255]);
  return Buffer.concat([head, Buffer.alloc(bytes, 120)]);
}

function fromViewer(random: Random): Buffer {
  switch (random(8)) {
    case 0:
      return setPixelFormatRgbx();
    case 1:
      return setEncodings(Array.from({ length: random(5) }, () => pick(random, [0, 1, 5, 7, 16, -223, -224, -257, -258, -26, -250, -420, -308])));
    case 2:
      return framebufferUpdateRequest(random(2) === 0, 64, 48);
    case 3:
      return keyEvent(random(2) === 0, random(65_536));
    case 4:
      return pointerEvent(random(64), random(48), random(8));
    case 5:
      return cutText(random(20));
    case 6:
      return random(2) === 0 ? Buffer.from([255, 1, 0, 2, 0, 0, 0, 0, 0, 0]) : Buffer.from([255, 1, 0, 1]);
    default:
      return extendedKeyEvent(random(2) === 0, random(65_536), random(256));
  }
}

function listen(portions: Iterable<Buffer>, heard: (thing: unknown) => void): Buffer {
  const forwarded: Buffer[] = [];
  const parser = new StepwiseParser(
    viewerMessages({
      swallows: (_down, keysym) => keysym === 0xffc9,
      forward: (bytes) => forwarded.push(Buffer.from(bytes)),
      key: (...key) => {
        heard(["key", ...key]);
      },
      pointer: (...pointer) => {
        heard(["pointer", ...pointer]);
      },
    }),
  );
  try {
    for (const portion of portions) parser.push(portion);
  } finally {
    heard(Buffer.concat(forwarded));
  }
  return Buffer.concat(forwarded);
}

/** What a viewer of the console says. What is sent on says the same. */
export function rfbViewer(): FuzzedParser {
  return {
    name: "rfb-viewer",
    code: [{ file: "vm/rfb/viewer-messages.ts" }, { file: "vm/rfb/stepwise-parser.ts" }],
    shape: "bytes",
    codes: ["PEER"],
    valid: (random) => [
      Buffer.concat([Buffer.from("RFB 003.003\n"), Buffer.from([1]), keyEvent(true, 0xffc9)]),
      ...Array.from({ length: 30 }, () =>
        Buffer.concat([clientHello(random(2)), ...Array.from({ length: 1 + random(8) }, () => fromViewer(random))]),
      ),
    ],
    parse: (input, random) => {
      inAnyPortions(input, random, (portions, heard) => {
        const said: unknown[] = [];
        const forwarded = listen(portions, (thing) => said.push(thing));
        const again: unknown[] = [];
        listen([forwarded], (thing) => again.push(thing));
        assert.deepEqual(again, said, "what is sent on says something else");
        said.forEach(heard);
      });
      return true;
    },
  };
}
