import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { HomewardError } from "../../common/errors.ts";
import { NbdClient } from "../../vm/nbd-client.ts";
import { NbdStream, type NbdChunk, type NbdExport } from "../../vm/nbd-stream.ts";
import {
  CHUNK,
  chunk,
  GREETING,
  handshake,
  ScriptedNbdServer,
  simple,
  u16,
  u32,
  u64,
  type Request,
} from "./vm-nbd-server.ts";

const MIB = 1_048_576;
const CONTEXTS = ["base:allocation", "qemu:allocation-depth"];

interface Heard {
  readonly sent: Buffer[];
  readonly ready: NbdExport[];
  readonly chunks: NbdChunk[];
}

function listen(): [NbdStream, Heard] {
  const heard: Heard = { sent: [], ready: [], chunks: [] };
  const session = {
    send: (data: Buffer) => heard.sent.push(data),
    ready: (info: NbdExport) => heard.ready.push(info),
    chunk: (piece: NbdChunk) => heard.chunks.push(piece),
  };
  return [new NbdStream(session, "disk", CONTEXTS), heard];
}

const EVERYTHING = Buffer.concat([
  ...handshake(64 * MIB),
  chunk(1n, CHUNK.DATA, Buffer.concat([u64(4096n), Buffer.from("abcd")]), false),
  chunk(1n, CHUNK.HOLE, Buffer.concat([u64(4100n), u32(12)])),
  simple(2n),
  simple(3n, 28),
  chunk(4n, CHUNK.STATUS, Buffer.concat([u32(1), u32(4096), u32(3), u32(8192), u32(0)]), false),
  chunk(4n, CHUNK.NONE, Buffer.alloc(0)),
  chunk(5n, CHUNK.ERROR, Buffer.concat([u32(5), u16(3), Buffer.from("bad")])),
]);

const EVERYTHING_HEARD: NbdChunk[] = [
  { handle: 1n, done: false, kind: "data", offset: 4096, data: Buffer.from("abcd") },
  { handle: 1n, done: true, kind: "hole", offset: 4100, bytes: 12 },
  { handle: 2n, done: true, kind: "none" },
  { handle: 3n, done: true, kind: "error", errno: 28, text: "" },
  {
    handle: 4n,
    done: false,
    kind: "status",
    context: 1,
    extents: [
      { bytes: 4096, flags: 3 },
      { bytes: 8192, flags: 0 },
    ],
  },
  { handle: 4n, done: true, kind: "none" },
  { handle: 5n, done: true, kind: "error", errno: 5, text: "bad" },
];

describe("the NBD stream", () => {
  test.each([1, 2, 3, 7, 19, 1000])("the same is heard in portions of %i bytes", (size) => {
    const [stream, heard] = listen();
    for (let at = 0; at < EVERYTHING.length; at += size) stream.push(EVERYTHING.subarray(at, at + size));
    expect(heard.ready).toEqual([
      {
        bytes: 64 * MIB,
        readOnly: false,
        contexts: new Map([
          [1, "base:allocation"],
          [2, "qemu:allocation-depth"],
        ]),
      },
    ]);
    expect(heard.chunks).toEqual(EVERYTHING_HEARD);
  });

  test("what is sent in the handshake is what the protocol says", () => {
    const [stream, heard] = listen();
    stream.push(EVERYTHING);
    const option = (number: number, data: Buffer): Buffer =>
      Buffer.concat([Buffer.from("IHAVEOPT"), u32(number), u32(data.length), data]);
    const text = (value: string): Buffer => Buffer.concat([u32(value.length), Buffer.from(value)]);
    expect(heard.sent).toEqual([
      u32(3),
      option(8, Buffer.alloc(0)),
      option(10, Buffer.concat([text("disk"), u32(2), ...CONTEXTS.map(text)])),
      option(7, Buffer.concat([text("disk"), u16(0)])),
    ]);
  });

  const [, structured = GREETING, contexts = GREETING, go = GREETING] = handshake(MIB);
  const refusal = Buffer.from(structured);
  refusal.writeUInt32BE(0x80000001, 12);
  test.each<[string, Buffer[], string]>([
    ["another greeting", [Buffer.from("NBDMAGIC\0\0\x42\x02\x81\x86\x12\x53\0\0")], "DAMAGED"],
    ["oldstyle", [Buffer.concat([GREETING.subarray(0, 16), u16(0)])], "DAMAGED"],
    ["a refused option", [GREETING, refusal], "GUEST"],
    ["a reply to another option", [GREETING, contexts], "DAMAGED"],
    ["no such context", [GREETING, structured, contexts.subarray(contexts.length - 20)], "ENVIRONMENT"],
    ["no size", [GREETING, structured, contexts, go.subarray(go.length - 20)], "DAMAGED"],
    ["a long option reply", [GREETING, Buffer.concat([structured.subarray(0, 16), u32(1_000_000)])], "DAMAGED"],
    ["a reply of no kind", [...handshake(MIB), u32(0x12345678)], "DAMAGED"],
    ["a chunk of no kind", [...handshake(MIB), chunk(1n, 9, Buffer.alloc(4))], "DAMAGED"],
    ["a data chunk without data", [...handshake(MIB), chunk(1n, CHUNK.DATA, u64(0n))], "DAMAGED"],
    ["a status list cut in two", [...handshake(MIB), chunk(1n, CHUNK.STATUS, Buffer.alloc(14))], "DAMAGED"],
    ["a short error", [...handshake(MIB), chunk(1n, CHUNK.ERROR, Buffer.alloc(2))], "DAMAGED"],
    [
      "a chunk without end",
      [...handshake(MIB), Buffer.concat([u32(0x668e33ef), u16(0), u16(1), u64(1n), u32(0x7fffffff)])],
      "DAMAGED",
    ],
    ["an offset past all numbers", [...handshake(MIB), chunk(1n, CHUNK.HOLE, Buffer.alloc(12, 0xff))], "DAMAGED"],
  ])("%s is refused", (_, data, code) => {
    const [stream] = listen();
    expect(() => {
      for (const part of data) stream.push(part);
    }).toThrow(expect.objectContaining({ code }));
  });

  test("damaged input gives an error of ours or is heard, and nothing else", () => {
    // A fixed sequence of "random" numbers, so that a failure can be repeated.
    const random = (seed: number): Buffer => createHash("sha256").update(String(seed)).digest();
    for (let seed = 0; seed < 2000; seed++) {
      const bytes = random(seed);
      const data = Buffer.from(EVERYTHING);
      for (let i = 0; i <= seed % 4; i++) data[bytes.readUInt16BE(i * 3) % data.length] = bytes[i * 3 + 2] ?? 0;
      const [stream] = listen();
      try {
        stream.push(data);
      } catch (error) {
        expect(error).toBeInstanceOf(HomewardError);
      }
    }
  });
});

const READ = 0;

async function connect(script: (server: ScriptedNbdServer, request: Request) => void): Promise<NbdClient> {
  const server = new ScriptedNbdServer(handshake(64 * MIB));
  server.script = (request) => {
    script(server, request);
  };
  return await NbdClient.open(server.socket, { exportName: "disk", contexts: CONTEXTS });
}

function data({ handle, offset, bytes }: Request, fill: number): Buffer {
  return chunk(handle, CHUNK.DATA, Buffer.concat([u64(BigInt(offset)), Buffer.alloc(bytes, fill)]));
}

describe("the NBD client", () => {
  test("pieces and holes make up a read, in any order", async () => {
    const client = await connect((server, { handle }) => {
      server.stutter(
        Buffer.concat([
          chunk(handle, CHUNK.HOLE, Buffer.concat([u64(8200n), u32(8)]), false),
          chunk(handle, CHUNK.DATA, Buffer.concat([u64(8192n), Buffer.from("12345678")]), false),
          chunk(handle, CHUNK.NONE, Buffer.alloc(0)),
        ]),
      );
    });
    expect((await client.read(8192, 16)).toString("latin1")).toBe(`12345678${"\0".repeat(8)}`);
  });

  test("large reads are cut, overlap up to a bound, and are put together in order", async () => {
    const waiting: Request[] = [];
    let most = 0;
    const client = await connect((server, request) => {
      waiting.push(request);
      most = Math.max(most, waiting.length);
      // Answered later and in reverse.
      setImmediate(() => {
        const last = waiting.pop();
        if (last !== undefined) server.say(data(last, last.offset / MIB));
      });
    });
    const content = await client.read(0, 20 * MIB);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(16);
    for (let i = 0; i < 20; i++) expect([content[i * MIB], content[(i + 1) * MIB - 1]]).toEqual([i, i]);
  });

  test("writes carry their data, and zeroes only their length", async () => {
    const seen: Request[] = [];
    const client = await connect((server, request) => {
      seen.push(request);
      server.say(simple(request.handle));
    });
    await client.write(4096, Buffer.alloc(MIB + 512, 1));
    await client.writeZeroes(0, 32 * MIB);
    await client.flush();
    expect(seen.map(({ command, offset, bytes }) => [command, offset, bytes])).toEqual([
      [1, 4096, MIB],
      [1, 4096 + MIB, 512],
      [6, 0, 32 * MIB],
      [3, 0, 0],
    ]);
  });

  test("block status is given by the contexts' names", async () => {
    const client = await connect((server, { handle }) => {
      server.say(chunk(handle, CHUNK.STATUS, Buffer.concat([u32(2), u32(4096), u32(1)]), false));
      server.say(chunk(handle, CHUNK.STATUS, Buffer.concat([u32(1), u32(8192), u32(3)])));
    });
    const status = await client.blockStatus(0, MIB);
    expect(status.get("base:allocation")).toEqual([{ bytes: 8192, flags: 3 }]);
    expect(status.get("qemu:allocation-depth")).toEqual([{ bytes: 4096, flags: 1 }]);
  });

  test("a disk error fails its request alone, and a full disk is told apart", async () => {
    const client = await connect((server, request) => {
      const error = Buffer.concat([u32(5), u16(2), Buffer.from("io")]);
      if (request.command !== READ) server.say(simple(request.handle, 28));
      else server.say(request.offset === 0 ? chunk(request.handle, CHUNK.ERROR, error) : data(request, 7));
    });
    await expect(client.read(0, 8)).rejects.toMatchObject({ code: "GUEST", data: { errno: 5, offset: 0 } });
    await expect(client.write(0, Buffer.alloc(8))).rejects.toMatchObject({ code: "NO_ROOM" });
    expect(await client.read(8, 2)).toEqual(Buffer.from([7, 7]));
  });

  test.each<[string, (request: Request) => Buffer]>([
    ["less than was asked", (r) => data({ ...r, bytes: 4 }, 1)],
    ["nothing", (r) => chunk(r.handle, CHUNK.NONE, Buffer.alloc(0))],
    ["data before the range", (r) => data({ ...r, offset: r.offset - 1 }, 1)],
    ["data after the range", (r) => data({ ...r, bytes: 9 }, 1)],
    ["the same data twice", (r) => Buffer.concat([data({ ...r, bytes: 8 }, 1).fill(0, 5, 6), data(r, 1)])],
    ["a hole out of the range", (r) => chunk(r.handle, CHUNK.HOLE, Buffer.concat([u64(0n), u32(8)]))],
    ["a status", (r) => chunk(r.handle, CHUNK.STATUS, Buffer.concat([u32(1), u32(8), u32(0)]))],
    ["an answer to no request", (r) => data({ ...r, handle: r.handle + 1n }, 1)],
  ])("a read that is answered with %s is refused", async (_, answer) => {
    const client = await connect((server, request) => {
      server.say(answer(request));
    });
    await expect(client.read(4096, 8)).rejects.toMatchObject({ code: "DAMAGED" });
  });

  test("a status that leaves out a context is refused", async () => {
    const client = await connect((server, { handle }) => {
      server.say(chunk(handle, CHUNK.STATUS, Buffer.concat([u32(2), u32(4096), u32(1)])));
    });
    await expect(client.blockStatus(0, MIB)).rejects.toMatchObject({ code: "DAMAGED" });
  });

  test("losing the server fails what is under way, what waits and what follows", async () => {
    const client = await connect((server) => {
      server.hangUp();
    });
    const reads = Array.from({ length: 40 }, (_, i) => client.read(i, 1));
    for (const read of reads) await expect(read).rejects.toMatchObject({ code: "GUEST" });
    await expect(client.read(0, 1)).rejects.toMatchObject({ code: "GUEST" });
  });

  test("closing says goodbye and fails what is under way", async () => {
    const commands: number[] = [];
    const client = await connect((_, { command }) => {
      commands.push(command);
    });
    const reading = client.read(0, 1);
    client.close();
    await expect(reading).rejects.toMatchObject({ code: "CANCELLED" });
    expect(commands).toEqual([0, 2]);
  });

  test("what lies outside the disk is not asked for", async () => {
    const client = await connect(() => {
      throw new Error("asked");
    });
    await expect(client.read(64 * MIB - 1, 2)).rejects.toMatchObject({ code: "INTERNAL" });
    await expect(client.read(-1, 1)).rejects.toMatchObject({ code: "INTERNAL" });
  });
});
