import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { delay } from "../../common/abort.ts";
import type { ErrorCode } from "../../common/errors.ts";
import type { MigrationReport } from "../../protocol/report.ts";
import { FRAMES, type FrameName } from "../../protocol/wire.ts";
import { encodeMessage } from "../../protocol/wire/messages.ts";
import type { Sender } from "./frame-relay.ts";
import { damageLog, flipped, frame, header, hello } from "./harm.ts";
import { TwoHosts, WORKSPACE, failure, stillPicture, type } from "./migration-hosts.ts";
import { expectUnharmed, refusal, savedState, storedGenerations, type Saved } from "./unharmed.ts";

const NO_BLOCKS = { zero: 0, generation: 0, twin: 0, shipped: 0 };

let hosts: TwoHosts;
let before: Saved;
let generations: { near: Record<string, string>; far: Record<string, string> };
beforeAll(async () => {
  hosts = await TwoHosts.create();
  const console = await hosts.near.console();
  await type(console, "seq 1 3000 | sort > sorted; ls\n");
  await stillPicture(console);
  console.close();
  await hosts.near.call("suspend", { workspace: WORKSPACE });
  before = await savedState(hosts.near);
  generations = { near: await storedGenerations(hosts.near), far: await storedGenerations(hosts.far) };
});
afterAll(async () => {
  await hosts.end();
});
afterEach(() => {
  hosts.relay.trap = null;
  hosts.relay.impostor = null;
});

function migrate(mode: "replay" | "overlay" = "overlay", signal?: AbortSignal): Promise<MigrationReport> {
  const options = signal === undefined ? {} : { signal };
  return hosts.near.call("migrate", { workspace: WORKSPACE, peer: "far", mode, hold: true }, options);
}

describe("a destination that is none", () => {
  it.each<[string, Buffer, RegExp]>([
    ["speaks something else", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"), /Homeward/],
    ["speaks another version", hello({ version: 9 }), /far speaks version 9 .* not 1/],
    ["is another host", hello({ host: "mallory" }), /mallory answers at the address of far/],
    ["announces too long a frame", Buffer.concat([hello(), header(FRAMES.need.max + 1, FRAMES.need.type)]), /too long/],
    ["sends a frame of no type", Buffer.concat([hello(), header(3, 250)]), /type/],
    ["sends what is not due", Buffer.concat([hello(), frame("residualEnd", Buffer.alloc(0))]), /far does not keep .* residualEnd/],
    ["greets twice", Buffer.concat([hello(), hello()]), /hello|greet/],
    [
      "accepts, and asks for no sense",
      Buffer.concat([
        hello(),
        frame("accept", Buffer.alloc(0)),
        frame("need", Buffer.from("nonsense")),
        frame("needEnd", Buffer.from(JSON.stringify(NO_BLOCKS))),
      ]),
      /need message/,
    ],
    [
      "accepts, and says nothing of what it found",
      Buffer.concat([hello(), frame("accept", Buffer.alloc(0)), frame("needEnd", Buffer.alloc(0))]),
      /needEnd message/,
    ],
  ])("and %s", async (_, bytes, message) => {
    hosts.relay.impostor = (caller) => {
      caller.resume();
      caller.write(bytes);
    };
    const error = await failure(migrate());
    expect(error).toMatchObject(refusal("PEER", message));
    await expectUnharmed(hosts, before);
  });

  it("and closes at once", async () => {
    hosts.relay.impostor = (caller) => caller.destroy();
    expect(await failure(migrate())).toMatchObject({ code: "PEER" });
    await expectUnharmed(hosts, before);
  });
});

describe("a caller that is no host", () => {
  /** What `far` answers to these bytes, until it closes. */
  async function answerTo(bytes: Buffer): Promise<string> {
    const socket: Socket = connect(join(hosts.dir, "far.sock"));
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", () => undefined);
    socket.write(bytes);
    await once(socket, "close");
    return Buffer.concat(chunks).toString("latin1");
  }

  it.each<[string, () => Buffer, RegExp]>([
    ["garbage", () => Buffer.from("\x16\x03\x01 what?".repeat(20)), /PEER/],
    ["a frame before the greeting", () => frame("needEnd", Buffer.alloc(0)), /PEER/],
    ["an unknown name", () => hello({ host: "mallory" }), /PEER.*does not know a host mallory/],
    ["a frame that is not due", () => Buffer.concat([hello({ host: "near" }), frame("indexEnd", Buffer.alloc(0))]), /PEER.*indexEnd/],
    [
      "the release of what never was",
      () => Buffer.concat([hello({ host: "near" }), frame("release", encodeMessage("release", { id: randomUUID() }))]),
      /NOT_FOUND/,
    ],
    ["an offer that is none", () => Buffer.concat([hello({ host: "near" }), frame("offer", Buffer.from("{}"))]), /PEER/],
  ])("is told off for %s, and changes nothing", async (_, bytes, answer) => {
    expect(await answerTo(bytes())).toMatch(answer);
    await expectUnharmed(hosts, before);
  });
});

describe("a frame that is changed on its way", () => {
  it.each<[Sender, FrameName, (payload: Buffer) => Buffer, readonly ErrorCode[]]>([
    ["answerer", "accept", () => frame("needEnd", Buffer.alloc(0)), ["PEER"]],
    ["caller", "offer", () => frame("manifest", Buffer.from("{}")), ["PEER"]],
    ["caller", "index", (payload) => frame("index", payload.subarray(0, payload.length >> 1)), ["PEER", "DAMAGED"]],
    ["caller", "indexEnd", () => frame("residualEnd", Buffer.alloc(0)), ["PEER"]],
    ["caller", "manifest", () => frame("manifest", Buffer.from(`{"root":1}`)), ["PEER"]],
    ["caller", "manifest", (payload) => frame("manifest", Buffer.from(payload.toString().replace("quiet", "quieu"))), ["PEER"]],
    ["caller", "manifest", (payload) => frame("manifest", Buffer.from(payload.toString().replace(/("deviceBytes":)./, "$19"))), ["DAMAGED"]],
    ["answerer", "need", (payload) => frame("need", payload.subarray(0, 3)), ["PEER", "DAMAGED"]],
    ["caller", "residual", (payload) => frame("residual", payload.subarray(0, payload.length - 1)), ["PEER", "DAMAGED"]],
    ["answerer", "prepared", () => frame("taken", encodeMessage("taken", { id: randomUUID() })), ["PEER"]],
  ])("from the %s, %s, ends the move and nothing else", async (from, name, change, codes) => {
    hosts.relay.trap = { from, frame: name, then: (payload) => Promise.resolve(change(payload)) };
    const error = await failure(migrate());
    expect(codes).toContain(error.code);
    expect(error.hint).toMatch(/desk goes on here/);
    await expectUnharmed(hosts, before);
  });
});

describe("a connection that is cut", () => {
  it.each<[Sender, FrameName]>([
    ["caller", "hello"],
    ["caller", "offer"],
    ["answerer", "accept"],
    ["caller", "device"],
    ["caller", "manifest"],
    ["answerer", "needEnd"],
    ["caller", "residual"],
  ])("when the %s sends %s leaves everything as it was", async (from, name) => {
    hosts.relay.trap = { from, frame: name, then: () => Promise.resolve("cut") };
    expect(await failure(migrate())).toMatchObject(refusal("PEER", /far|connection/));
    await expectUnharmed(hosts, before);
  });
});

describe("a destination that falls silent", () => {
  it.each<[Sender, FrameName, "replay" | "overlay"]>([
    ["caller", "offer", "overlay"],
    ["caller", "logEnd", "replay"],
    ["caller", "residualEnd", "overlay"],
  ])("when the %s sends %s can be given up at once", async (from, name, mode) => {
    const stop = new AbortController();
    hosts.relay.trap = {
      from,
      frame: name,
      then: () => {
        hosts.far.signal("SIGSTOP");
        setTimeout(() => {
          stop.abort();
        }, 300);
        return Promise.resolve("pass");
      },
    };
    try {
      expect(await failure(migrate(mode, stop.signal))).toMatchObject({ code: "CANCELLED" });
      expect(await hosts.near.workspace()).toMatchObject({ owner: "here", state: "suspended" });
    } finally {
      hosts.far.signal("SIGCONT");
    }
    await expectUnharmed(hosts, before);
  });
});

describe("what was asked for at a bad moment", () => {
  it("is refused while the workspace moves, whatever it is", async () => {
    const others: Promise<{ code: string; message: string }>[] = [];
    const stop = new AbortController();
    hosts.relay.trap = {
      from: "answerer",
      frame: "need",
      then: async () => {
        const { near } = hosts;
        others.push(
          failure(migrate()),
          failure(near.call("seal", { workspace: WORKSPACE })),
          failure(near.call("start", { workspace: WORKSPACE })),
          failure(near.call("suspend", { workspace: WORKSPACE })),
          failure(near.call("power", { workspace: WORKSPACE, action: "off" })),
          failure(near.call("delete", { workspace: WORKSPACE })),
        );
        await Promise.all(others);
        stop.abort();
        await delay(200);
        return "pass";
      },
    };
    expect(await failure(migrate("overlay", stop.signal))).toMatchObject({ code: "CANCELLED" });
    const refusals = await Promise.all(others);
    for (const { code, message } of refusals) {
      expect(code).toBe("CONFLICT");
      expect(message).toMatch(/desk/);
    }
    expect(refusals).toHaveLength(6);
    await expectUnharmed(hosts, before);
  });

  it("lets one of two moves at the same moment through", async () => {
    const stop = new AbortController();
    hosts.relay.trap = {
      from: "answerer",
      frame: "accept",
      then: async () => {
        stop.abort();
        await delay(200);
        return "pass";
      },
    };
    const both = await Promise.all([failure(migrate("overlay", stop.signal)), failure(migrate("overlay", stop.signal))]);
    expect(both.map(({ code }) => code).sort()).toEqual(["CANCELLED", "CONFLICT"]);
    await expectUnharmed(hosts, before);
  });
});

describe("after all of this", () => {
  it("both hosts hold what they held, and a segment changed on its way only shortens the replay", async () => {
    expect(await storedGenerations(hosts.near)).toEqual(generations.near);
    expect(await storedGenerations(hosts.far)).toMatchObject(generations.far);
    hosts.relay.trap = {
      from: "caller",
      frame: "logSegment",
      then: (payload) => Promise.resolve(frame("logSegment", flipped(payload))),
    };
    const report = await migrate("replay");
    expect(report).toMatchObject({ verified: true, owner: "far", replay: null });
    expect(report.root_destination).toBe(report.root_source);
    expect(report.notes.join()).toMatch(/not all of the input log could be replayed: .* after 0 events/);
  });

  it("the machine runs there, and nothing that it does to its memory reaches the generation that it came from", async () => {
    const { far } = hosts;
    await far.call("start", { workspace: WORKSPACE });
    const there = await far.console();
    const picture = await stillPicture(there);
    const kept = await storedGenerations(far);
    await type(there, "head -c 50000000 /dev/zero > /tmp/z; tr a b < /tmp/z > /dev/null; date\n");
    await stillPicture(there, 1500);
    expect((await stillPicture(there)).equals(picture)).toBe(false);
    await type(there, "rm /tmp/z\n");
    // Long enough for the balloon to report what is free now.
    await stillPicture(there, 4000);
    there.close();
    expect(await storedGenerations(far)).toEqual(kept);
    await far.call("suspend", { workspace: WORKSPACE });
  });

  it("two workspaces pass each other, one of them with a log that is damaged where it is kept", async () => {
    const { near, far } = hosts;
    for (const [host, owner] of [[near, {}], [far, { owner: "near" }]] as const)
      await host.call("create", { workspace: "second", from: hosts.exported, ...owner, verified: true });
    await damageLog(far);
    const { entries } = await far.call("log", { workspace: WORKSPACE });
    expect(entries.at(-1)?.text).toMatch(/damaged after \d+ events: .*was changed where it is kept.*replays up to here/);
    const [first, second] = await Promise.all([
      far.call("migrate", { workspace: WORKSPACE, peer: "near", mode: "replay", hold: true }),
      near.call("migrate", { workspace: "second", peer: "far", mode: "overlay", hold: true }),
    ]);
    expect(first).toMatchObject({ verified: true, owner: "near" });
    expect(first.notes.join()).toMatch(/damaged after \d+ events: .* what was done after that could not be replayed/);
    expect(second).toMatchObject({ verified: true, owner: "far" });
  });

  it("a workspace that was sealed anew on one host only is not moved, and the message says what to do", async () => {
    const { near, far } = hosts;
    await far.call("start", { workspace: "second" });
    await far.call("seal", { workspace: "second" });
    const refused = far.call("migrate", { workspace: "second", peer: "near", mode: "overlay" });
    expect(await failure(refused)).toMatchObject(
      refusal("NOT_FOUND", /near has only an older generation of second, which was sealed anew on far/, /second goes on here.*homeward push second near/),
    );
    const { workspaces } = await far.call("status", {});
    expect(workspaces.find(({ name }) => name === "second")).toMatchObject({ owner: "here", state: "running" });
    await failure(near.call("start", { workspace: "second" }));
  });
});
