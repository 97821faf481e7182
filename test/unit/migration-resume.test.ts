import { Transform, duplexPair, type Duplex } from "node:stream";
import { describe, expect, it } from "vitest";
import { HomewardError } from "../../common/errors.ts";
import type { Frame, FrameName } from "../../protocol/wire.ts";
import { greet } from "../../service/migration/greeting.ts";
import { LinkSessions } from "../../service/migration/link-sessions.ts";
import { PeerLink, type Patience } from "../../service/migration/peer-link.ts";
import { ResendBuffer } from "../../service/migration/resend-buffer.ts";

const SESSION = "0123456789abcdef0123456789abcdef";

/** A line between two ends that breaks after so many bytes, in both directions together. */
function line(breaksAfter: number, count: (bytes: number) => void): [Duplex, Duplex] {
  const [near, nearFar] = duplexPair();
  const [far, farFar] = duplexPair();
  const all = [near, nearFar, far, farFar];
  let left = breaksAfter;
  const cutter = (): Transform =>
    new Transform({
      transform(chunk: Buffer, _encoding, done) {
        const part = chunk.subarray(0, left);
        left -= part.length;
        count(part.length);
        this.push(part);
        // What went through arrives, as it does on a real line; what is behind it does not.
        if (left === 0) setImmediate(() => { for (const stream of all) stream.destroy(); });
        else done();
      },
    });
  for (const stream of all) stream.on("error", () => undefined);
  nearFar.pipe(cutter()).on("error", () => undefined).pipe(farFar);
  farFar.pipe(cutter()).on("error", () => undefined).pipe(nearFar);
  return [near, far];
}

interface World {
  readonly near: PeerLink;
  readonly far: PeerLink;
  readonly sessions: LinkSessions;
  readonly outages: (number | null)[];
  /** Bytes that passed, hellos of the first connection not counted. */
  passed: number;
}

/** A link between two hosts whose n-th connection breaks after `breaks[n]` bytes; those after them hold. */
async function world(breaks: readonly number[], patienceMs = 20_000): Promise<World> {
  const sessions = new LinkSessions();
  const rest = [...breaks];
  const outages: (number | null)[] = [];
  const passed = { bytes: 0 };
  const count = (bytes: number): void => {
    passed.bytes += bytes;
  };
  const connect = (breaksAfter: number): [Duplex, Promise<PeerLink | null>] => {
    const [near, far] = line(breaksAfter, count);
    const accepted = sessions.accept(far, null, { host: "beta" });
    accepted.catch(() => undefined);
    return [near, accepted];
  };
  // The first connection's break is counted from after the greetings, whose length differs by nothing from time to time.
  const probe = connect(Infinity);
  const first = await PeerLink.open(probe[0], { host: "alpha" });
  const greetings = first.bytes.total + `,"session":"${SESSION}"`.length;
  await first.close();
  const [stream, accepted] = connect(greetings + (rest.shift() ?? Infinity));
  passed.bytes = -greetings;
  const near = await PeerLink.open(stream, { host: "alpha", session: SESSION });
  const far = await accepted;
  if (far === null) throw new Error("not a new link");
  const patience: Patience = { ms: patienceMs, connect: null, onOutage: (ms) => outages.push(ms) };
  far.outlast(patience);
  near.outlast({
    ...patience,
    connect: () => Promise.resolve(connect(rest.shift() ?? Infinity)[0]),
  });
  return {
    near,
    far,
    sessions,
    outages,
    get passed() {
      return passed.bytes;
    },
  };
}

const THERE: readonly (readonly [FrameName, number])[] = [["logSegment", 40], ["logEnd", 0], ["index", 33], ["indexEnd", 0], ["residual", 60], ["residualEnd", 0]];
const BACK: readonly (readonly [FrameName, number])[] = [["need", 21], ["needEnd", 0], ["prepared", 17]];
const LARGEST = 65;
/** Greetings with the link's name and count, and the answer. */
const RESUMING = 400;

/** A small conversation in which each side waits for the other; resolves with what each got. */
async function converse({ near, far }: World): Promise<{ there: Frame[]; back: Frame[] }> {
  const there: Frame[] = [];
  const back: Frame[] = [];
  const send = async (link: PeerLink, frames: typeof THERE): Promise<void> => {
    for (const [name, length] of frames) await link.sendBytes(name, Buffer.alloc(length, name));
  };
  const take = async (link: PeerLink, into: Frame[], frames: number): Promise<void> => {
    for (let i = 0; i < frames; i++) into.push(await link.receive());
  };
  await Promise.all([
    send(near, THERE.slice(0, 4)).then(() => take(near, back, 2)).then(() => send(near, THERE.slice(4))).then(() => take(near, back, 1)),
    take(far, there, 4).then(() => send(far, BACK.slice(0, 2))).then(() => take(far, there, 2)).then(() => send(far, BACK.slice(2))),
  ]);
  return { there, back };
}

function said(frames: readonly Frame[]): [string, string][] {
  return frames.map(({ name, payload }) => [name, payload.toString()]);
}

function expected(frames: typeof THERE): [string, string][] {
  return frames.map(([name, length]) => [name, Buffer.alloc(length, name).toString()]);
}

async function end({ near, far }: World): Promise<void> {
  await Promise.all([near.close(), far.close()]);
}

describe("a conversation whose connection is cut", () => {
  it("after any byte, and again after any byte, is the same, with at most a frame sent again for each cut", async () => {
    const whole = await world([]);
    await converse(whole);
    const total = whole.passed;
    await end(whole);
    expect(total).toBeGreaterThan(200);
    const cuts: number[][] = [];
    for (let at = 1; at < total; at++) cuts.push([at], [at, RESUMING + ((at * 7) % total)], [at, at * 2]);
    await Promise.all(
      cuts.map(async (breaks) => {
        const cut = await world(breaks);
        const { there, back } = await converse(cut);
        expect([said(there), said(back)], String(breaks)).toEqual([expected(THERE), expected(BACK)]);
        expect(cut.outages.slice(0, 2), String(breaks)).toContain(0);
        expect(cut.passed, String(breaks)).toBeLessThanOrEqual(total + breaks.length * (LARGEST + RESUMING));
        for (const kind of ["log", "index", "need", "residual"] as const) {
          expect(cut.near.bytes.of(kind), kind).toBe(whole.near.bytes.of(kind));
          expect(cut.far.bytes.of(kind), kind).toBe(whole.near.bytes.of(kind));
        }
        await end(cut);
      }),
    );
    console.log(`${cuts.length} conversations of ${total} bytes, each cut once or twice`);
  }, 120_000);

  it("carries more than a sender keeps, and lets it wait while there is no connection", async () => {
    const cut = await world([3_000_000, 5_000_000]);
    const sending = (async () => {
      for (let i = 0; i < 20; i++) await cut.near.sendBytes("residual", Buffer.alloc(1024 * 1024, i));
    })();
    for (let i = 0; i < 20; i++) {
      const { payload } = await cut.far.receive();
      expect(payload.equals(Buffer.alloc(1024 * 1024, i))).toBe(true);
    }
    await sending;
    // Frames that had not come, and at most one for each cut that had begun to.
    expect(cut.passed).toBeLessThan(22.1 * 1024 * 1024);
    expect(cut.outages).toContain(0);
    expect(cut.outages.at(-1)).toBeNull();
    await end(cut);
  });

  it("ends when it is not taken up again in time, saying for how long", async () => {
    const sessions = new LinkSessions();
    const [near, far] = line(Infinity, () => undefined);
    const accepted = sessions.accept(far, null, { host: "beta" });
    const link = await PeerLink.open(near, { host: "alpha", session: SESSION });
    const other = await accepted;
    const outages: (number | null)[] = [];
    link.outlast({ ms: 1000, connect: () => Promise.reject(new HomewardError("PEER", "cannot be reached")), onOutage: (ms) => outages.push(ms) });
    other?.outlast({ ms: 1000, connect: null, onOutage: () => undefined });
    near.destroy();
    far.destroy();
    for (const each of [link, other])
      await expect(each?.receive()).rejects.toMatchObject({ code: "PEER", message: expect.stringMatching(/was lost for 1 s/) as string });
    expect(outages).toEqual([0, 1000]);
  });

  it("can be stopped at once while it waits", async () => {
    const [near, far] = line(Infinity, () => undefined);
    const sessions = new LinkSessions();
    void sessions.accept(far, null, { host: "beta" });
    const link = await PeerLink.open(near, { host: "alpha", session: SESSION });
    link.outlast({ ms: 60_000, connect: () => Promise.reject(new HomewardError("PEER", "cannot be reached")), onOutage: () => undefined });
    near.destroy();
    await expect.poll(() => link.isConnected).toBe(false);
    const stop = new AbortController();
    link.endOn(stop.signal);
    stop.abort(new HomewardError("CANCELLED", "stopped"));
    await expect(link.receive()).rejects.toMatchObject({ code: "CANCELLED" });
  });

  it("does not wait for a side that said that it is done", async () => {
    const both = await world([]);
    await both.near.close();
    await expect(both.far.receive()).rejects.toMatchObject({ code: "PEER" });
    expect(both.outages).toEqual([]);
  });
});

/** What whoever connects and claims to go on is told; null if that is done. */
async function tryToGoOn(sessions: LinkSessions, resume: { session: string; received: number }, host = "alpha", certified: string | null = null): Promise<HomewardError | null> {
  const [near, far] = line(Infinity, () => undefined);
  const accepted = sessions.accept(far, certified, { host: "beta" }).then(
    () => null,
    (error: unknown) => error as HomewardError,
  );
  await greet(near, { host }, { resume });
  return accepted;
}

describe("whoever claims to go on with a link", () => {
  it("has to know its name, be the same host, and have got what can be", async () => {
    const both = await world([]);
    const { sessions, near, far } = both;
    await near.sendBytes("logEnd");
    await far.receive();
    for (const [resume, host, certified] of [
      [{ session: "f".repeat(32), received: 0 }, "alpha", null],
      [{ session: SESSION, received: 0 }, "gamma", null],
      [{ session: SESSION, received: 0 }, "alpha", "alpha"],
      [{ session: SESSION, received: 1 }, "alpha", null],
      [{ session: SESSION, received: 0xffff_ffff }, "alpha", null],
    ] as const)
      expect(await tryToGoOn(sessions, resume, host, certified), JSON.stringify(resume)).toMatchObject({ code: "PEER" });
    // None of them harmed it.
    await far.sendBytes("needEnd");
    expect((await near.receive()).name).toBe("needEnd");
    await end(both);
    expect(await tryToGoOn(sessions, { session: SESSION, received: 0 })).toMatchObject({ code: "PEER" });
  });

  it("wins over the connection before, of which nothing is heard any more", async () => {
    const { sessions, near, far } = await world([]);
    near.endWithConnection();
    const [mine, theirs] = line(Infinity, () => undefined);
    const accepted = sessions.accept(theirs, null, { host: "beta" });
    const { channel } = await greet(mine, { host: "alpha" }, { resume: { session: SESSION, received: 0 } });
    // From the old connection, at the same time.
    const late = near.sendBytes("logEnd").catch(() => undefined);
    expect(await accepted).toBeNull();
    await late;
    channel.write("indexEnd", Buffer.alloc(0));
    expect((await far.receive()).name).toBe("indexEnd");
    await expect(near.receive()).rejects.toMatchObject({ code: "PEER" });
    channel.destroy();
    await far.abort(new HomewardError("CANCELLED", "over"));
  });

  it("is not taken for a host that only learned of it by its name twice", async () => {
    const { sessions } = await world([]);
    const [near, far] = line(Infinity, () => undefined);
    const accepted = sessions.accept(far, null, { host: "beta" });
    accepted.catch(() => undefined);
    await greet(near, { host: "alpha" }, { session: SESSION });
    await expect(accepted).rejects.toMatchObject({ code: "CONFLICT" });
  });
});

describe("frames kept until the other side has them", () => {
  it("are numbered from any number, and only counts that can be are believed", () => {
    const kept = new ResendBuffer(5);
    for (let i = 0; i < 3; i++) kept.add({ name: "index", payload: Buffer.alloc(i) });
    kept.acknowledge(6);
    expect(kept.frames.map(({ payload }) => payload.length)).toEqual([1, 2]);
    for (const count of [5, 9]) expect(() => { kept.acknowledge(count); }).toThrow(/counts the messages/);
    kept.acknowledge(8);
    expect(kept.frames).toEqual([]);
  });
});
