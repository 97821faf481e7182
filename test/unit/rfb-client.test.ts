import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { extendedKeyEvent, framebufferUpdateRequest, keyEvent, pointerEvent } from "../../vm/rfb/client-messages.ts";
import { RfbClient } from "../../vm/rfb/rfb-client.ts";
import { FakeVncServer, grey, until, update } from "./rfb-fake-server.ts";

describe("RfbClient", () => {
  let server: FakeVncServer;
  let client: RfbClient;

  beforeEach(async () => {
    server = await FakeVncServer.start(64, 48);
    client = await RfbClient.connect(server.socketPath);
  });
  afterEach(async () => {
    client.close();
    await server.stop();
  });

  const received = (): Buffer => server.connections[0]?.received() ?? Buffer.alloc(0);

  it("has the first picture when it is connected", () => {
    expect([client.width, client.height]).toEqual([64, 48]);
    expect([...client.frame.lumaGrid()]).toEqual(new Array(12).fill(10));
  });

  it("asks for the next update after each, incrementally, and tells what changed", async () => {
    const seen: unknown[] = [];
    client.onUpdate((rects) => seen.push(...rects));
    const before = received().length;
    server.say(update([grey(16, 0, 16, 16, 90)]));
    await until(() => seen.length === 1, "the update");
    expect(seen).toEqual([{ x: 16, y: 0, width: 16, height: 16 }]);
    expect(client.frame.lumaGrid()[1]).toBe(90);
    const request = framebufferUpdateRequest(true, 64, 48);
    await until(() => received().length >= before + request.length, "the request");
    expect(received().subarray(-request.length)).toEqual(request);
  });

  it("sends keys and pointer events", async () => {
    const sent = Buffer.concat([extendedKeyEvent(true, 0x61, 0x1e), keyEvent(false, 0xe4), pointerEvent(9, 8, 1)]);
    client.key(true, 0x61, 0x1e);
    client.key(false, 0xe4, 0);
    client.pointer(9, 8, 1);
    await until(() => received().includes(sent), "the input");
  });

  it("wakes the display with the release of no key", async () => {
    const wakeful = await RfbClient.connect(server.socketPath, { wakeEveryMs: 5 });
    const wake = extendedKeyEvent(false, 0, 0);
    await until(() => server.connections[1]?.received().includes(wake) === true, "the wake-up");
    wakeful.close();
  });

  it("sends what was said before it closes", async () => {
    client.key(true, 0x61, 0x1e);
    client.close();
    await until(() => received().includes(extendedKeyEvent(true, 0x61, 0x1e)), "the key");
    client.key(true, 0x62, 0x30);
  });

  it("says once that the server has gone or talks nonsense", async () => {
    const ends: unknown[] = [];
    client.onClose((error) => ends.push(error));
    server.say(Buffer.from([99]));
    await until(() => ends.length > 0, "the end");
    expect(ends).toEqual([expect.objectContaining({ code: "GUEST" })]);
    client.close();
    expect(ends).toHaveLength(1);
    expect(client.closed).toBe(true);
    const late: unknown[] = [];
    client.onClose((error) => late.push(error));
    expect(late).toEqual(ends);
  });

  it("fails clearly when there is no server, a wrong one, or the caller gives up", async () => {
    await expect(RfbClient.connect(`${server.dir}/none`)).rejects.toMatchObject({ code: "NOT_FOUND" });
    const path = `${server.dir}/other.sock`;
    const other = createServer((socket) => socket.end("220 mail.example\r\n"));
    await new Promise<void>((resolve) => other.listen(path, resolve));
    await expect(RfbClient.connect(path)).rejects.toMatchObject({ code: "GUEST" });
    other.close();
    await rm(path, { force: true });
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(path, resolve));
    await expect(RfbClient.connect(path, { signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ code: "CANCELLED" });
    silent.close();
  });
});
