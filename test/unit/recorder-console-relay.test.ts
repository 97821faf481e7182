import { connect, type Socket } from "node:net";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { HomewardError } from "../../common/errors.ts";
import { ConsoleRelay } from "../../recorder/console-relay.ts";
import { extendedKeyEvent, keyEvent, pointerEvent } from "../../vm/rfb/client-messages.ts";
import { RfbClient } from "../../vm/rfb/rfb-client.ts";
import { clientHello, FakeVncServer, grey, until, update } from "./rfb-fake-server.ts";

/** Keysym and key code. */
const F12 = [0xffc9, 0x58] as const;
const PAUSE = [[0xffe3, 0x1d], [0xffe9, 0x38], [0xffe1, 0x2a], F12] as const;

describe("ConsoleRelay", () => {
  let server: FakeVncServer;
  let relay: ConsoleRelay;
  let consoleSocket: string;
  let errors: HomewardError[];
  let input: unknown[];
  const clients: RfbClient[] = [];
  const sockets: Socket[] = [];

  beforeEach(async () => {
    server = await FakeVncServer.start();
    consoleSocket = join(server.dir, "console.sock");
    errors = [];
    input = [];
    relay = await ConsoleRelay.start({
      vncSocket: server.socketPath,
      consoleSocket,
      onViewerError: (error) => errors.push(error),
    });
    relay.attach({
      key: (...key) => input.push(["key", ...key]),
      pointer: (...pointer) => input.push(["pointer", ...pointer]),
    });
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    for (const socket of sockets.splice(0)) socket.destroy();
    await relay.stop();
    await server.stop();
  });

  async function viewer(shared = true): Promise<RfbClient> {
    const client = await RfbClient.connect(consoleSocket, { shared });
    clients.push(client);
    return client;
  }
  function received(connection: number): Buffer {
    return server.connections[connection]?.received() ?? Buffer.alloc(0);
  }

  it("shows the screen to all viewers and takes the input of all", async () => {
    const one = await viewer();
    const two = await viewer(false);
    expect(relay.viewers).toBe(2);
    expect(received(1).subarray(0, 14)).toEqual(clientHello(1));
    server.say(update([grey(0, 0, 64, 48, 77)]));
    await until(() => one.frame.lumaGrid()[5] === 77 && two.frame.lumaGrid()[5] === 77, "the picture");
    one.key(true, 0x61, 0x1e);
    await until(() => input.length === 1, "the key");
    two.key(false, 0x62, 0);
    two.pointer(3, 4, 0);
    await until(() => input.length === 3, "the input");
    expect(input).toEqual([
      ["key", true, 0x61, 0x1e],
      ["key", false, 0x62, 0],
      ["pointer", 3, 4, 0],
    ]);
    expect(received(0).includes(extendedKeyEvent(true, 0x61, 0x1e))).toBe(true);
    expect(received(1).includes(Buffer.concat([keyEvent(false, 0x62), pointerEvent(3, 4, 0)]))).toBe(true);
  });

  it("keeps the key that pauses the recording from guest and log, if it is to", async () => {
    const press = (client: RfbClient): void => {
      for (const [keysym, keycode] of PAUSE) client.key(true, keysym, keycode);
      client.key(false, F12[0], F12[1]);
      client.pointer(1, 2, 0);
    };
    press(await viewer());
    await until(() => input.length === 6, "the input");
    expect(input[3]).toEqual(["key", true, ...F12]);
    await relay.stop();
    const told: unknown[] = [];
    let pressed = 0;
    relay = await ConsoleRelay.start({ vncSocket: server.socketPath, consoleSocket, onPauseKey: () => pressed++ });
    relay.attach({ key: (...key) => told.push(["key", ...key]), pointer: () => told.push("pointer") });
    press(await viewer());
    await until(() => told.includes("pointer"), "the input");
    expect(told).toHaveLength(4);
    expect(pressed).toBe(1);
    // The last that was sent; the server gets it a moment after the tap was told.
    await until(() => received(1).includes(pointerEvent(1, 2, 0)), "the input at the server");
    expect(received(1).includes(extendedKeyEvent(true, ...F12))).toBe(false);
    expect(received(1).includes(extendedKeyEvent(true, ...PAUSE[2]))).toBe(true);
  });

  it("is readable by the user alone", async () => {
    expect((await stat(consoleSocket)).mode & 0o777).toBe(0o600);
  });

  it("releases and records what a leaving viewer still holds", async () => {
    const one = await viewer();
    const two = await viewer();
    one.key(true, 0xffe1, 0x2a);
    one.key(true, 0x41, 0);
    one.pointer(10, 20, 1);
    await until(() => input.length === 3, "the input");
    two.pointer(11, 21, 2);
    await until(() => input.length === 4, "the second viewer");
    input.length = 0;
    one.close();
    await until(() => relay.viewers === 1, "the viewer to leave");
    expect(input).toEqual([
      ["key", false, 0xffe1, 0x2a],
      ["key", false, 0x41, 0],
      ["pointer", 10, 20, 2],
    ]);
    const releases = [extendedKeyEvent(false, 0xffe1, 0x2a), keyEvent(false, 0x41), pointerEvent(10, 20, 0)];
    await until(() => received(0).includes(Buffer.concat(releases)), "the releases");
  });

  it("leaves the others their keys when a viewer goes, and its connection to QEMU open, which would release them", async () => {
    const one = await viewer();
    const two = await viewer();
    one.key(true, 0x61, 0x1e);
    one.key(true, 0xffe1, 0x2a);
    await until(() => input.length === 2, "the first viewer");
    two.key(true, 0xffe1, 0x2a);
    two.key(true, 0xffe3, 0x1d);
    await until(() => input.length === 4, "the second viewer");
    input.length = 0;
    one.close();
    await until(() => relay.viewers === 1, "the viewer to leave");
    expect(input).toEqual([["key", false, 0x61, 0x1e]]);
    let isOver = false;
    server.connections[0]?.socket.once("close", () => {
      isOver = true;
    });
    await until(() => received(0).includes(extendedKeyEvent(false, 0x61, 0x1e)), "the release");
    expect(isOver).toBe(false);
    two.close();
    await until(() => isOver, "its end with the last viewer");
    expect(input.slice(1)).toEqual([
      ["key", false, 0xffe1, 0x2a],
      ["key", false, 0xffe3, 0x1d],
    ]);
  });

  it("lets go of all keys when too many viewers have gone", async () => {
    const one = await viewer();
    one.key(true, 0x61, 0x1e);
    await until(() => input.length === 1, "the key");
    for (let i = 0; i < 9; i++) {
      expect(input).toHaveLength(1);
      const other = await viewer();
      other.close();
      await until(() => relay.viewers === 1, "the viewer to leave");
    }
    expect(input[1]).toEqual(["key", false, 0x61, 0x1e]);
  });

  it("logs the buttons of all viewers as those of one pointer", async () => {
    const one = await viewer();
    const two = await viewer();
    one.pointer(1, 1, 1);
    await until(() => input.length === 1, "the press");
    two.pointer(5, 5, 0);
    await until(() => input.length === 2, "the motion");
    expect(input[1]).toEqual(["pointer", 5, 5, 1]);
  });

  it("cuts off a viewer that talks nonsense, and only that one", async () => {
    const good = await viewer();
    const bad = connect(consoleSocket);
    sockets.push(bad);
    bad.write(Buffer.concat([clientHello(1), keyEvent(true, 0x61), Buffer.from([200, 1, 2, 3])]));
    await until(() => bad.destroyed || bad.readableEnded || errors.length > 0, "the end of it");
    await until(() => relay.viewers === 1, "it to be gone");
    expect(errors).toEqual([expect.objectContaining({ code: "PEER" })]);
    expect(input.slice(0, 2)).toEqual([
      ["key", true, 0x61, 0],
      ["key", false, 0x61, 0],
    ]);
    good.key(true, 0x62, 0x30);
    await until(() => input.length === 3, "the good one");
  });

  it("cuts viewers off when the machine is gone, and stays open", async () => {
    const ends: unknown[] = [];
    (await viewer()).onClose((error) => ends.push(error));
    await server.exit();
    await until(() => ends.length === 1 && relay.viewers === 0, "the end");
    await expect(RfbClient.connect(consoleSocket)).rejects.toMatchObject({ code: "GUEST" });
    await until(() => relay.viewers === 0, "the refused one");
  });

  it("turns the seventeenth viewer away", async () => {
    for (let i = 0; i < 16; i++) await viewer();
    await expect(RfbClient.connect(consoleSocket)).rejects.toMatchObject({ code: "GUEST" });
    expect(errors).toEqual([expect.objectContaining({ code: "CONFLICT" })]);
    expect(relay.viewers).toBe(16);
  });

  it("tells the tap attached last, and none after that is detached", async () => {
    const one = await viewer();
    const later: unknown[] = [];
    const detach = relay.attach({ key: (...key) => later.push(key), pointer: () => undefined });
    one.key(true, 0x61, 0x1e);
    await until(() => later.length === 1, "the key");
    detach();
    one.key(false, 0x61, 0x1e);
    await until(() => received(0).includes(extendedKeyEvent(false, 0x61, 0x1e)), "the release");
    expect([input.length, later.length]).toEqual([0, 1]);
  });

  describe("with input that passes it by", () => {
    const ends: HomewardError[] = [];
    beforeEach(() => {
      ends.length = 0;
    });

    it("tells the tap of it as of a viewer's, and what is held at its end is released", () => {
      const captured = relay.capture((error) => ends.push(error));
      captured.key(true, 0x61, 0x1e);
      captured.pointer(3, 4, 1);
      captured.close();
      captured.key(true, 0x62, 0x30);
      expect(input).toEqual([
        ["key", true, 0x61, 0x1e],
        ["pointer", 3, 4, 1],
        ["key", false, 0x61, 0x1e],
        ["pointer", 3, 4, 0],
      ]);
      expect(ends).toEqual([]);
    });

    it("says which keys are held in the guest, once", () => {
      const captured = relay.capture((error) => ends.push(error));
      captured.key(true, 0x61, 0x1e);
      expect(relay.releaseHeld()).toEqual([{ keysym: 0x61, keycode: 0x1e }]);
      expect(relay.releaseHeld()).toEqual([]);
      expect(input.at(-1)).toEqual(["key", false, 0x61, 0x1e]);
    });

    it("never takes it while a viewer is connected, and not from two", async () => {
      const one = await viewer();
      expect(() => relay.capture(() => undefined)).toThrow(expect.objectContaining({ code: "CONFLICT" }));
      one.close();
      await until(() => relay.viewers === 0, "the viewer to leave");
      relay.capture(() => undefined);
      expect(() => relay.capture(() => undefined)).toThrow(expect.objectContaining({ code: "CONFLICT" }));
    });

    it("ends that when a viewer connects, or the console is closed", async () => {
      relay.capture((error) => ends.push(error)).key(true, 0x61, 0x1e);
      const one = await viewer();
      expect(ends).toEqual([expect.objectContaining({ code: "CONFLICT" })]);
      expect(input).toEqual([
        ["key", true, 0x61, 0x1e],
        ["key", false, 0x61, 0x1e],
      ]);
      one.close();
      await until(() => relay.viewers === 0, "the viewer to leave");
      relay.capture((error) => ends.push(error));
      await relay.stop();
      expect(ends).toHaveLength(2);
    });

    it("finds the key that pauses the recording in it", async () => {
      await relay.stop();
      let pressed = 0;
      relay = await ConsoleRelay.start({ vncSocket: server.socketPath, consoleSocket, onPauseKey: () => pressed++ });
      relay.attach({ key: (...key) => input.push(key), pointer: () => undefined });
      const captured = relay.capture((error) => ends.push(error));
      for (const [keysym, keycode] of PAUSE) captured.key(true, keysym, keycode);
      captured.key(false, ...F12);
      expect(pressed).toBe(1);
      expect(input).toHaveLength(3);
    });
  });
});
