import assert from "node:assert/strict";
import { NbdClient } from "../../../vm/nbd-client.ts";
import { NbdStream, type NbdExtent } from "../../../vm/nbd-stream.ts";
import { blockExtents, inStep, type Piece } from "../../../vm/disk-extents.ts";
import { QmpClient } from "../../../vm/qmp-client.ts";
import { QmpStream } from "../../../vm/qmp-stream.ts";
import { chunk, CHUNK, handshake, ScriptedNbdServer, simple, u32, u64 } from "../../unit/vm-nbd-server.ts";
import { ScriptedPeer } from "../../unit/vm-streams.ts";
import type { FuzzedParser } from "../parser.ts";
import { inAnyPortions } from "../portions.ts";
import { pick, randomBytes, type Random } from "../random.ts";

const CONTEXTS = ["base:allocation", "qemu:allocation-depth"];
const DISK_BYTES = 1_048_576;
const READ_BYTES = 4096;

function extents(random: Random): Buffer {
  return Buffer.concat(Array.from({ length: 1 + random(5) }, () => Buffer.concat([u32(4096 * random(20)), u32(random(4))])));
}

/** Replies to requests with the numbers 1 and 2, as a server may give them. */
function replies(random: Random): Buffer {
  const parts = Array.from({ length: 1 + random(6) }, () => {
    const handle = BigInt(1 + random(2));
    switch (random(6)) {
      case 0:
        return simple(handle, random(2) * 5);
      case 1:
        return chunk(handle, CHUNK.DATA, Buffer.concat([u64(0n), randomBytes(random, 1 + random(60))]), random(2) === 0);
      case 2:
        return chunk(handle, CHUNK.HOLE, Buffer.concat([u64(0n), u32(READ_BYTES)]), random(2) === 0);
      case 3:
        return chunk(handle, CHUNK.STATUS, Buffer.concat([u32(1 + random(2)), extents(random)]), random(2) === 0);
      case 4:
        return chunk(handle, CHUNK.ERROR, Buffer.concat([u32(28), Buffer.from([0, 4]), Buffer.from("full")]));
      default:
        return chunk(handle, CHUNK.NONE, Buffer.alloc(0));
    }
  });
  return Buffer.concat(parts);
}

const BLOCK_LIMITS = Buffer.concat([u64(0x0003e889045565a9n), u32(7), u32(3), u32(14), Buffer.from([0, 3]), Buffer.alloc(12, 1)]);

/** A server's half of a conversation over NBD. */
export function nbdStream(): FuzzedParser {
  return {
    name: "nbd-stream",
    code: [{ file: "vm/nbd-stream.ts" }],
    shape: "bytes",
    codes: ["DAMAGED", "GUEST", "ENVIRONMENT"],
    largestBytes: 1_056_768,
    valid: (random) => [
      Buffer.concat([...handshake(DISK_BYTES).slice(0, 3), BLOCK_LIMITS, ...handshake(DISK_BYTES).slice(3), replies(random)]),
      ...Array.from({ length: 40 }, () => Buffer.concat([...handshake(DISK_BYTES), replies(random)])),
    ],
    parse: (input, random) => {
      inAnyPortions(input, random, (portions, heard) => {
        const session = { send: heard, ready: heard, chunk: heard };
        const stream = new NbdStream(session, "disk", CONTEXTS);
        for (const portion of portions) stream.push(portion);
      });
      return true;
    },
  };
}

/** A server's answers to a read and to a question about what is allocated. */
export function nbdClient(): FuzzedParser {
  return {
    name: "nbd-client",
    code: [{ file: "vm/nbd-client.ts", functions: ["take", "finish", "#cover", "#take", "#receive", "#fail"] }],
    shape: "bytes",
    codes: ["DAMAGED", "GUEST", "ENVIRONMENT", "NO_ROOM"],
    largestBytes: 1_056_768,
    valid: (random) =>
      Array.from({ length: 40 }, () => {
        const half = READ_BYTES / 2;
        const data = [
          chunk(1n, CHUNK.DATA, Buffer.concat([u64(0n), randomBytes(random, half)]), false),
          chunk(1n, CHUNK.HOLE, Buffer.concat([u64(BigInt(half)), u32(half)]), true),
        ];
        const whole = [chunk(1n, CHUNK.DATA, Buffer.concat([u64(0n), randomBytes(random, READ_BYTES)]))];
        const status = [1, 2].map((context) => chunk(2n, CHUNK.STATUS, Buffer.concat([u32(context), extents(random)]), context === 2));
        return Buffer.concat(random(2) === 0 ? [...data, ...status] : [...status, ...whole]);
      }),
    refused: [
      chunk(1n, CHUNK.STATUS, Buffer.concat([u32(1), u32(4096), u32(0)])),
      chunk(1n, CHUNK.HOLE, Buffer.concat([u64(4096n), u32(1)])),
      chunk(2n, CHUNK.HOLE, Buffer.concat([u64(0n), u32(1)])),
      chunk(1n, CHUNK.ERROR, Buffer.concat([u32(28), Buffer.from([0, 4]), Buffer.from("full")])),
      Buffer.concat([simple(2n), simple(1n)]),
      simple(9n),
    ],
    parse: async (input) => {
      const server = new ScriptedNbdServer(handshake(DISK_BYTES));
      const client = await NbdClient.open(server.socket, { exportName: "disk", contexts: CONTEXTS });
      const asked = Promise.allSettled([client.read(0, READ_BYTES), client.blockStatus(0, DISK_BYTES)]);
      server.say(input);
      // As when it goes away: what is not answered by then never is.
      server.socket.push(null);
      server.hangUp();
      const [read, status] = await asked;
      if (read.status === "rejected") throw read.reason;
      assert.equal(read.value.length, READ_BYTES);
      if (status.status === "rejected") throw status.reason;
      assert.deepEqual([...status.value.keys()], CONTEXTS);
      return true;
    },
  };
}

function extentList(input: Buffer): NbdExtent[] {
  const list: NbdExtent[] = [];
  for (let at = 0; at + 8 <= input.length; at += 8) list.push({ bytes: input.readUInt32BE(at), flags: input.readUInt32BE(at + 4) });
  return list;
}

/** Two lists of extents that are read side by side. */
export function nbdExtents(): FuzzedParser {
  return {
    name: "nbd-extents",
    code: [{ file: "vm/disk-extents.ts" }],
    shape: "bytes",
    codes: [],
    valid: (random) => Array.from({ length: 30 }, () => Buffer.concat([extents(random), extents(random)])),
    parse: async (input) => {
      const half = Math.floor(input.length / 2);
      const [left, right] = [extentList(input.subarray(0, half)), extentList(input.subarray(half))];
      const pieces: Piece[] = [];
      let offset = 0;
      for (const run of inStep(left, right, DISK_BYTES)) {
        assert.ok(run.bytes > 0);
        const kind = pick((limit) => run.left % limit, ["data", "zero", "none"] as const);
        pieces.push({ offset, bytes: run.bytes, kind });
        offset += run.bytes;
      }
      assert.ok(offset <= DISK_BYTES);
      async function* listed(): AsyncGenerator<Piece> {
        for (const piece of pieces) yield await Promise.resolve(piece);
      }
      let end = 0;
      for await (const { block, count } of blockExtents(listed())) {
        assert.ok(block >= end && count > 0);
        end = block + count;
      }
      assert.ok(end <= Math.ceil(offset / 4096));
      return true;
    },
  };
}

const GREETING = '{"QMP": {"version": {"qemu": {"major": 7}}, "capabilities": []}}\r\n';
const QMP = [
  `${GREETING}{"return":{},"id":1}\n{"event":"STOP","data":{"x":1},"timestamp":{"seconds":1}}\r\n{"return":{"a":"ü\\n}"},"id":2}\n`,
  `${GREETING}{"return":{},"id":1}\n\n{"error":{"class":"GenericError","desc":"no"},"id":2}\n`,
  `${GREETING}{"return":{},"id":1}\n{"event":"RESUME"}\n{"return":[1,2],"id":7}\n{"return":[1,2],"id":2}\n`,
].map((text) => Buffer.from(text));
const QMP_WORDS = ['{"return":{},"id":1}\n', '{"id":2}\n', '{"event":"A","data":7}\n', '{"error":1,"id":2}\n', "7\n", "[]\n", "\n", "\r\n", "{", "}", "[", '"', "null", "2", "é"];

const ENDLESS_LINE = Buffer.alloc(9 * 1024 * 1024);

/** QEMU's half of its monitor's conversation. */
export function qmpStream(): FuzzedParser {
  return {
    name: "qmp-stream",
    code: [{ file: "vm/qmp-stream.ts" }],
    shape: "text",
    words: QMP_WORDS,
    codes: ["DAMAGED"],
    valid: () => QMP,
    parse: (input, random) => {
      if (random(1000) === 0) assert.throws(() => [...new QmpStream().push(ENDLESS_LINE)], { code: "DAMAGED" });
      inAnyPortions(input, random, (portions, heard) => {
        const stream = new QmpStream();
        for (const portion of portions) for (const message of stream.push(portion)) heard(message);
      });
      return true;
    },
  };
}

export function qmpClient(): FuzzedParser {
  return {
    name: "qmp-client",
    code: [{ file: "vm/qmp-client.ts", functions: ["#receive", "#dispatch", "#settle", "#fail"] }],
    shape: "text",
    words: QMP_WORDS,
    codes: ["DAMAGED", "GUEST"],
    valid: () => QMP.filter((text) => !text.includes("error")),
    refused: QMP.filter((text) => text.includes("error")),
    parse: async (input) => {
      const qemu = new ScriptedPeer();
      const events: unknown[] = [];
      const opened = QmpClient.open(qemu.socket).then(async (client) => {
        client.onEvent((event) => events.push(event));
        return client.execute("query-status");
      });
      opened.catch(() => undefined);
      // A line at a time, so that answers find somebody who waits for them.
      for (const line of input.toString("latin1").split(/(?<=\n)/)) {
        qemu.say(Buffer.from(line, "latin1"));
        await new Promise((resolve) => setImmediate(resolve));
      }
      qemu.hangUp();
      await opened;
      for (const event of events) assert.equal(typeof (event as { readonly name: unknown }).name, "string");
      return true;
    },
  };
}
