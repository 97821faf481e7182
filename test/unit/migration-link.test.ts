import { duplexPair, type Duplex } from "node:stream";
import { afterEach, describe, expect, it, vi } from "vitest";
import { delay } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import type { ProgressUpdate } from "../../common/progress.ts";
import { FRAMES, WIRE_MAGIC, frameHeader } from "../../protocol/wire.ts";
import { encodeMessage } from "../../protocol/wire/messages.ts";
import { PeerLink } from "../../service/migration/peer-link.ts";
import { WireProgress } from "../../service/migration/wire-progress.ts";
import { closeAll, links, open, wire } from "./migration-wire.ts";

afterEach(closeAll);

/** One end of a link, and a raw stream at the other that says what the test wants. */
function halfLink(times?: { idleMs: number; deadMs: number }): { link: Promise<PeerLink>; raw: Duplex } {
  const [left, raw] = duplexPair();
  for (const stream of [left, raw]) {
    stream.on("error", () => undefined);
    open.add(stream);
  }
  const link = PeerLink.open(left, { host: "alpha", ...(times === undefined ? {} : { times }) });
  link.catch(() => undefined);
  return { link, raw };
}

function hello(version = 1): Buffer {
  const payload = encodeMessage("hello", { magic: WIRE_MAGIC, version, host: "beta" });
  return Buffer.concat([frameHeader("hello", payload.length), payload]);
}

async function errorOf(work: Promise<unknown>): Promise<HomewardError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof HomewardError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("a link", () => {
  it("learns the other host's name, whatever pieces the bytes come in", async () => {
    for (const pieceBytes of [1, 3, 1000, Infinity]) {
      const { a, b } = await links({ pieceBytes });
      expect([a.peer, b.peer]).toEqual(["beta", "alpha"]);
    }
  });

  it("carries frames in order, byte by byte too", async () => {
    const { a, b } = await links({ pieceBytes: 1 });
    void a.send("release", { id: "6f0f9a0e-8f7e-4f0d-8f10-1c1c1c1c1c1c" });
    void a.sendBytes("index", Buffer.alloc(3000, 5));
    void a.sendBytes("needEnd");
    expect(await b.expect("release")).toEqual({ id: "6f0f9a0e-8f7e-4f0d-8f10-1c1c1c1c1c1c" });
    expect((await b.receive()).payload.equals(Buffer.alloc(3000, 5))).toBe(true);
    expect((await b.receive()).name).toBe("needEnd");
  });

  it("counts exactly what crosses it, on both ends, by kind", async () => {
    const { a, b, passed } = await links();
    await a.sendBytes("logSegment", Buffer.alloc(1234));
    await a.sendBytes("residual", Buffer.alloc(100_000));
    await b.sendBytes("need", Buffer.alloc(77));
    await a.ping();
    for (let i = 0; i < 2; i++) await b.receive();
    await a.receive();
    expect(a.bytes.total).toBe(passed());
    expect(b.bytes.toJSON()).toEqual(a.bytes.toJSON());
    expect(a.bytes.toJSON()).toMatchObject({ log: 1239, residual: 100_005, need: 82 });
  });

  it("lets the sender wait while the receiver is slow", async () => {
    const { a, b } = await links();
    let sent = 0;
    const sending = (async () => {
      for (; sent < 60; sent++) await a.sendBytes("residual", Buffer.alloc(1024 * 1024));
    })();
    for (let i = 0; i < 200; i++) await new Promise(setImmediate);
    // 8 MiB queue, plus what the streams in between hold.
    expect(sent).toBeLessThan(20);
    for (let i = 0; i < 60; i++) expect((await b.receive()).payload.length).toBe(1024 * 1024);
    await sending;
  });

  it("hands progress to its listener and not to the receiver", async () => {
    const { a, b } = await links();
    const seen: ProgressUpdate[] = [];
    b.onProgress = (update) => seen.push(update);
    await a.send("progress", { phase: "replay", done: 1, total: 9, unit: "steps" });
    await a.sendBytes("needEnd");
    expect((await b.receive()).name).toBe("needEnd");
    expect(seen).toEqual([{ phase: "replay", done: 1, total: 9, unit: "steps" }]);
  });

  it("hands on that a replay is not waited for any longer, between any two frames", async () => {
    const { a, b } = await links();
    let told = 0;
    b.onStopReplay = () => told++;
    await a.sendBytes("residual", Buffer.alloc(10));
    await a.sendBytes("stopReplay");
    await a.sendBytes("stopReplay");
    await a.sendBytes("residualEnd");
    expect((await b.receive()).name).toBe("residual");
    expect((await b.receive()).name).toBe("residualEnd");
    expect(told).toBe(2);
    // Who has no replay does not mind.
    await b.sendBytes("stopReplay");
    await b.sendBytes("needEnd");
    expect((await a.receive()).name).toBe("needEnd");
  });

  it("shows progress rarely, but every phase and the newest of it", async () => {
    const { a, b } = await links();
    const shown = new WireProgress(a);
    const seen: ProgressUpdate[] = [];
    b.onProgress = (update) => seen.push(update);
    for (const phase of ["copy", "replay"]) {
      for (let done = 0; done <= 50; done++) {
        shown.update({ phase, done, total: 50, unit: "steps", note: "never sent" });
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
    await expect.poll(() => seen.at(-1), { timeout: 3000 }).toEqual({ phase: "replay", done: 50, total: 50, unit: "steps" });
    expect(seen.length).toBeLessThanOrEqual(4);
    expect(seen[0]?.phase).toBe("copy");
    shown.stop();
  });

  it("shows less and less of a phase that takes minutes", () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    try {
      let sent = 0;
      const send = (): Promise<void> => {
        sent++;
        return Promise.resolve();
      };
      const shown = new WireProgress({ send, isFull: false, signal: new AbortController().signal });
      const sentAfter = (seconds: number): number => {
        for (let done = 0; done < seconds * 10; done++) {
          shown.update({ phase: "replay", done, unit: "steps" });
          vi.advanceTimersByTime(100);
        }
        return sent;
      };
      // A move without gain is to cost no hundredth more for what is told of it: 60 bytes a message.
      expect(sentAfter(60)).toBeGreaterThan(10);
      expect(sent).toBeLessThan(22);
      expect(sentAfter(540)).toBeLessThan(60);
      shown.stop();
    } finally {
      vi.useRealTimers();
    }
  });

  it("says what it expected", async () => {
    const { a, b } = await links();
    await a.sendBytes("needEnd");
    expect(await errorOf(b.expect("manifest"))).toMatchObject({ code: "PEER", message: expect.stringMatching(/needEnd where manifest/) as string });
  });

  it("gives the other host's reason to whoever waits or works", async () => {
    const { a, b } = await links();
    const waiting = errorOf(b.receive());
    await a.abort(new HomewardError("NO_ROOM", "the disk is full", { hint: "Free 20 MB." }));
    expect(await waiting).toMatchObject({ code: "NO_ROOM", message: "alpha: the disk is full", hint: "Free 20 MB." });
    expect(b.signal.reason).toMatchObject({ code: "NO_ROOM" });
    expect(await errorOf(b.sendBytes("needEnd"))).toMatchObject({ code: "NO_ROOM" });
  });

  it("ends for both when this side is stopped", async () => {
    const { a, b } = await links();
    const stop = new AbortController();
    a.endOn(stop.signal);
    const undone = new AbortController();
    a.endOn(undone.signal)();
    undone.abort();
    const waiting = [errorOf(a.receive()), errorOf(b.receive())];
    stop.abort(new HomewardError("CANCELLED", "stopped by the user"));
    for (const error of await Promise.all(waiting))
      expect(error).toMatchObject({ code: "CANCELLED", message: "stopped by the user" });
  });

  it("still hands over what had arrived before the end", async () => {
    const { a, b } = await links();
    await a.sendBytes("needEnd");
    await a.close();
    expect((await b.receive()).name).toBe("needEnd");
    expect(await errorOf(b.receive())).toMatchObject({ code: "PEER" });
  });

  it("ends with a PEER error when the connection breaks", async () => {
    const { ends } = wire();
    const opening = Promise.all([
      PeerLink.open(ends[0], { host: "alpha" }),
      PeerLink.open(ends[1], { host: "beta" }),
    ]);
    const [a] = await opening;
    ends[0].destroy(new Error("ECONNRESET"));
    expect(await errorOf(a.receive())).toMatchObject({ code: "PEER" });
  });
});

describe("greeting", () => {
  it("refuses another version, and says which", async () => {
    const { link, raw } = halfLink();
    raw.write(hello(2));
    expect(await errorOf(link)).toMatchObject({ code: "PEER", message: expect.stringMatching(/version 2/) as string });
  });

  it("refuses what is not a Homeward host, and closes", async () => {
    for (const text of ["GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00", "RFB 003.008\n"]) {
      const { link, raw } = halfLink();
      raw.resume();
      const ended = new Promise((resolve) => raw.once("end", resolve));
      raw.write(text);
      expect(await errorOf(link)).toMatchObject({ code: "PEER" });
      await ended;
    }
  });

  it("refuses an oversized message after it without reading it", async () => {
    const { link, raw } = halfLink();
    raw.resume();
    raw.write(hello());
    const opened = await link;
    const header = Buffer.alloc(5);
    header.writeUInt32BE(FRAMES.residual.max + 1, 0);
    header.writeUInt8(FRAMES.residual.type, 4);
    raw.write(header);
    expect(await errorOf(opened.receive())).toMatchObject({ code: "PEER", message: expect.stringMatching(/too long/) as string });
  });

  it("refuses a connection that ends in the middle of it", async () => {
    const { link, raw } = halfLink();
    raw.end(hello().subarray(0, 9));
    expect(await errorOf(link)).toMatchObject({ code: "PEER", message: expect.stringMatching(/middle/) as string });
  });

  it("can be stopped", async () => {
    const [left] = duplexPair();
    const stop = new AbortController();
    const link = PeerLink.open(left, { host: "alpha", signal: stop.signal });
    stop.abort(new HomewardError("CANCELLED", "stopped"));
    left.destroy();
    expect(await errorOf(link)).toMatchObject({ code: "CANCELLED" });
  });
});

describe("signs of life", () => {
  it("are sent while nothing else is, and answered", async () => {
    const { link, raw } = halfLink({ idleMs: 20, deadMs: 10_000 });
    const seen: number[] = [];
    raw.on("data", (chunk: Buffer) => seen.push(...chunk));
    raw.write(hello());
    await link;
    raw.write(frameHeader("ping", 0));
    await expect.poll(() => seen.slice(-5)).toEqual([0, 0, 0, 0, FRAMES.ping.type]);
    expect(seen.filter((byte) => byte === FRAMES.pong.type).length).toBeGreaterThan(0);
  });

  it("are missed after a while", async () => {
    const { link, raw } = halfLink({ idleMs: 20, deadMs: 60 });
    raw.resume();
    raw.write(hello());
    const opened = await link;
    expect(await errorOf(opened.receive())).toMatchObject({ code: "PEER", message: expect.stringMatching(/no sign of life/) as string });
  });

  it("are missed behind a length that was damaged, although pings come", async () => {
    const { link, raw } = halfLink({ idleMs: 20, deadMs: 200 });
    raw.resume();
    raw.write(hello());
    const opened = await link;
    const header = frameHeader("need", 3);
    header.writeUInt32BE(3 + 2 ** 14);
    raw.write(Buffer.concat([header, Buffer.alloc(3)]));
    const pings = setInterval(() => raw.write(frameHeader("ping", 0)), 10);
    try {
      expect(await errorOf(opened.receive())).toMatchObject({ code: "PEER", message: expect.stringMatching(/no sign of life/) as string });
    } finally {
      clearInterval(pings);
    }
  });

  it("are heard in the midst of a long frame", async () => {
    const { link, raw } = halfLink({ idleMs: 20, deadMs: 400 });
    raw.resume();
    raw.write(hello());
    const opened = await link;
    const received = opened.receive();
    raw.write(frameHeader("residual", 64 * 1024));
    for (let i = 0; i < 4; i++) {
      await delay(125);
      raw.write(Buffer.alloc(16 * 1024));
    }
    expect((await received).payload.length).toBe(64 * 1024);
  });

  it("are not missed while this side does not read", async () => {
    const { link, raw } = halfLink({ idleMs: 20, deadMs: 60 });
    raw.resume();
    raw.write(hello());
    const opened = await link;
    for (let i = 0; i < 9; i++) {
      raw.write(frameHeader("residual", 1024 * 1024));
      raw.write(Buffer.alloc(1024 * 1024));
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(opened.signal.aborted).toBe(false);
    expect((await opened.receive()).payload.length).toBe(1024 * 1024);
  });
});
