import { describe, expect, it } from "vitest";
import {
  extendedKeyEvent,
  framebufferUpdateRequest,
  keyEvent,
  pointerEvent,
  setEncodings,
  setPixelFormatRgbx,
} from "../../vm/rfb/client-messages.ts";
import { StepwiseParser } from "../../vm/rfb/stepwise-parser.ts";
import { viewerMessages } from "../../vm/rfb/viewer-messages.ts";
import { clientHello } from "./rfb-fake-server.ts";

function feed(bytes: Buffer, size = bytes.length): { forwarded: Buffer; input: unknown[] } {
  const parts: Buffer[] = [];
  const input: unknown[] = [];
  const parser = new StepwiseParser(
    viewerMessages({
      swallows: () => false,
      forward: (part) => parts.push(Buffer.from(part)),
      key: (...key) => input.push(["key", ...key]),
      pointer: (...pointer) => input.push(["pointer", ...pointer]),
    }),
  );
  for (let at = 0; at < bytes.length; at += size) parser.push(bytes.subarray(at, at + size));
  return { forwarded: Buffer.concat(parts), input };
}

function cutText(length: number, claimed = length): Buffer {
  const message = Buffer.alloc(8 + length, 120);
  message.writeUInt32BE(6 * 2 ** 24, 0);
  message.writeUInt32BE(claimed, 4);
  return message;
}

const INPUT = Buffer.concat([
  keyEvent(true, 0x61),
  extendedKeyEvent(false, 0xff0d, 0x9c),
  pointerEvent(700, 300, 5),
]);
const REQUESTS = Buffer.concat([setPixelFormatRgbx(), framebufferUpdateRequest(true, 640, 480)]);

describe("viewerMessages", () => {
  it.each([1, 2, 3, 10, 100_000])("reads and passes on a session in pieces of %i bytes", (size) => {
    const session = Buffer.concat([clientHello(1), REQUESTS, setEncodings([16, 1, 0, -223, -258]), INPUT]);
    const { forwarded, input } = feed(session, size);
    expect(forwarded).toEqual(session);
    expect(input).toEqual([
      ["key", true, 0x61, 0],
      ["key", false, 0xff0d, 0x9c],
      ["pointer", 700, 300, 5],
    ]);
  });

  it("lets a viewer that wants to be alone join the others", () => {
    expect(feed(clientHello(0)).forwarded).toEqual(clientHello(1));
  });

  it("speaks 3.3, where the viewer does not choose the security type", () => {
    const hello = Buffer.concat([Buffer.from("RFB 003.003\n", "latin1"), Buffer.from([0])]);
    const { forwarded, input } = feed(Buffer.concat([hello, INPUT]), 1);
    expect(forwarded.subarray(0, 13)).toEqual(Buffer.concat([hello.subarray(0, 12), Buffer.from([1])]));
    expect(input).toHaveLength(3);
  });

  it("holds back encodings that would open a way past the log", () => {
    const asked = [7, 16, 0, -23, -500, -250, -223, -239, -257, -258, -259, -261, -308, -309, -312, -313, 0xc0a1e5ce | 0];
    const { forwarded } = feed(Buffer.concat([clientHello(1), setEncodings(asked)]));
    expect(forwarded.subarray(14)).toEqual(setEncodings([7, 16, 0, -23, -500, -250, -223, -239, -258]));
  });

  it("drops clipboard text and audio requests", () => {
    const audio = Buffer.from([255, 1, 0, 2, 3, 2, 0, 0, 0xac, 0x44, 255, 1, 0, 0]);
    const session = Buffer.concat([clientHello(1), cutText(100_000), audio, INPUT]);
    const { forwarded, input } = feed(session, 4000);
    expect(forwarded).toEqual(Buffer.concat([clientHello(1), INPUT]));
    expect(input).toHaveLength(3);
  });

  it.each([
    ["another protocol", Buffer.from("GET / HTTP/1.1\r\n", "latin1")],
    ["a password type", Buffer.concat([clientHello(1).subarray(0, 12), Buffer.from([2])])],
    ["a resize request", Buffer.concat([clientHello(1), Buffer.from([251, 0, 0, 0])])],
    ["a power request", Buffer.concat([clientHello(1), Buffer.from([250, 0, 1, 2])])],
    ["an unknown QEMU message", Buffer.concat([clientHello(1), Buffer.from([255, 9])])],
    ["an unknown audio operation", Buffer.concat([clientHello(1), Buffer.from([255, 1, 0, 3])])],
    ["a huge clipboard", Buffer.concat([clientHello(1), cutText(0, 0xffffffff)])],
    ["too many encodings", Buffer.concat([clientHello(1), Buffer.from([2, 0, 0xff, 0xff])])],
  ])("refuses %s", (_, bytes) => {
    expect(() => feed(bytes, 1)).toThrow(expect.objectContaining({ code: "PEER" }) as Error);
  });
});
