import { describe, expect, it } from "vitest";
import { Framebuffer, type Rect } from "../../vm/rfb/framebuffer.ts";
import { serverMessages } from "../../vm/rfb/server-messages.ts";
import { StepwiseParser } from "../../vm/rfb/stepwise-parser.ts";
import { GREETING, grey, serverInit, update } from "./rfb-fake-server.ts";

class Recording {
  readonly frame = new Framebuffer();
  readonly sent: Buffer[] = [];
  readonly updates: Rect[][] = [];
  bytes = 0;
  extendedKeys = false;
  ready = false;
  send(message: Buffer): void {
    this.sent.push(message);
  }
  initialised(): void {
    this.ready = true;
  }
  updated(rects: Rect[], bytes: number): void {
    this.updates.push(rects);
    this.bytes += bytes;
  }
  extendedKeysOffered(): void {
    this.extendedKeys = true;
  }
}

const HELLO = Buffer.concat([GREETING, Buffer.from([2, 2, 1, 0, 0, 0, 0]), serverInit(32, 32)]);

function feed(bytes: Buffer, size = bytes.length): Recording {
  const recording = new Recording();
  const parser = new StepwiseParser(serverMessages(recording, true));
  for (let at = 0; at < bytes.length; at += size) parser.push(bytes.subarray(at, at + size));
  return recording;
}

const SESSION = Buffer.concat([
  HELLO,
  update([{ x: 0, y: 0, width: 32, height: 32, encoding: -258 }]),
  update([grey(0, 0, 32, 32, 100)]),
  Buffer.from([2]), // bell
  Buffer.from([3, 0, 0, 0, 0, 0, 0, 2, 65, 66]), // cut text
  Buffer.from([1, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6]), // colour map
  update([grey(16, 16, 16, 16, 200), { x: 0, y: 0, width: 16, height: 16, encoding: 1, data: Buffer.from([0, 16, 0, 16]) }]),
]);

describe("serverMessages", () => {
  it.each([1, 2, 7, 64, 100_000])("understands a session that arrives in pieces of %i bytes", (size) => {
    const seen = feed(SESSION, size);
    expect(Buffer.concat(seen.sent)).toEqual(Buffer.concat([GREETING, Buffer.from([1, 1])]));
    expect(seen.ready).toBe(true);
    expect(seen.extendedKeys).toBe(true);
    expect([...seen.frame.lumaGrid()]).toEqual([200, 100, 100, 200]);
    expect(seen.updates.map((rects) => rects.length)).toEqual([0, 1, 2]);
  });

  it("follows a change of the screen's size", () => {
    const seen = feed(
      Buffer.concat([SESSION, update([{ x: 0, y: 0, width: 48, height: 16, encoding: -223 }]), update([grey(0, 0, 48, 16, 7)])]),
    );
    expect([seen.frame.width, seen.frame.height]).toEqual([48, 16]);
    expect([...seen.frame.lumaGrid()]).toEqual([7, 7, 7]);
  });

  it("stops an update at LastRect", () => {
    const head = Buffer.from([0, 0, 0xff, 0xff]);
    const rects = update([grey(0, 0, 16, 16, 50), { x: 0, y: 0, width: 0, height: 0, encoding: -224 }]).subarray(4);
    const seen = feed(Buffer.concat([HELLO, head, rects, Buffer.from([2])]), 3);
    expect(seen.updates).toEqual([[{ x: 0, y: 0, width: 16, height: 16 }]]);
  });

  it.each([
    ["another protocol", Buffer.from("SSH-2.0-abcdefg\n", "latin1")],
    ["no security type", Buffer.concat([GREETING, Buffer.from([0, 0, 0, 0, 3, 66, 97, 100])])],
    ["a password", Buffer.concat([GREETING, Buffer.from([1, 2])])],
    ["refused None", Buffer.concat([GREETING, Buffer.from([1, 1, 0, 0, 0, 1, 0, 0, 0, 1, 65])])],
    ["an endless name", Buffer.concat([HELLO.subarray(0, 19 + 20), Buffer.from([255, 255, 255, 255])])],
    ["a giant screen", Buffer.concat([HELLO.subarray(0, 19), Buffer.alloc(24, 255)])],
    ["an unknown message", Buffer.concat([HELLO, Buffer.from([77])])],
    ["an unknown encoding", Buffer.concat([HELLO, update([{ x: 0, y: 0, width: 1, height: 1, encoding: 5 }])])],
    ["a rectangle outside", Buffer.concat([HELLO, update([grey(20, 20, 20, 20, 1)])])],
    ["a copy from outside", Buffer.concat([HELLO, update([{ x: 0, y: 0, width: 9, height: 9, encoding: 1, data: Buffer.from([0, 30, 0, 0]) }])])],
    ["an endless clipboard", Buffer.concat([HELLO, Buffer.from([3, 0, 0, 0, 255, 255, 255, 255])])],
  ])("refuses %s", (_, bytes) => {
    expect(() => feed(bytes)).toThrow(expect.objectContaining({ code: "GUEST" }) as Error);
    expect(() => feed(bytes, 1)).toThrow(expect.objectContaining({ code: "GUEST" }) as Error);
  });

  it("survives any flipped byte or throws GUEST", () => {
    for (let at = 0; at < Math.min(SESSION.length, 400); at++) {
      const damaged = Buffer.from(SESSION);
      damaged[at] = (damaged[at] ?? 0) ^ 0x81;
      try {
        feed(damaged);
      } catch (error) {
        expect(error).toMatchObject({ code: "GUEST" });
      }
    }
  });
});
