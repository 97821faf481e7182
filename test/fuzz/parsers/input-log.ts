import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { HomewardError } from "../../../common/errors.ts";
import {
  CheckpointState,
  decodeSegment,
  encodeSegment,
  INPUT_LOG_LIMITS,
  mergeSegments,
  readableEvents,
  type InputEvent,
} from "../../../protocol/input-log.ts";
import { readEvents, writeEvents } from "../../../protocol/input-log/event-codec.ts";
import { describeLog } from "../../../recorder/describe.ts";
import { planReplay } from "../../../replayer/plan.ts";
import { LogKeys } from "../../../recorder/log-keys.ts";
import { checkpoint, ONE_OF_EACH, randomEvents } from "../../unit/input-log-events.ts";
import type { FuzzedParser } from "../parser.ts";
import { randomBytes, type Random } from "../random.ts";

function recordings(random: Random): InputEvent[][] {
  const whole = checkpoint(Array.from({ length: 12 }, (_, cell) => [cell, random(256)] as const), [3]);
  const pictures: InputEvent[] = [whole, checkpoint([[2, 9]]), { ...whole, width: 32, height: 96 }].map((picture) => ({
    atMs: 7,
    kind: "checkpoint",
    checkpoint: picture,
  }));
  return [[...ONE_OF_EACH], [], pictures, ...Array.from({ length: 8 }, () => pictures.slice(random(3))), ...Array.from({ length: 40 }, () => randomEvents(1 + random(12), random(2 ** 32)))];
}

const TOO_LONG = Buffer.alloc(INPUT_LOG_LIMITS.segmentBytes + 1);

/** More than half of what one segment may hold. */
function longRecording(firstMs: number): InputEvent[] {
  return Array.from({ length: 9000 }, (_, i) => ({ atMs: firstMs + i, kind: "pointer", x: i, y: 0, buttons: 0 }));
}

function checkSize(recorded: readonly InputEvent[]): void {
  let cells = 0;
  for (const event of recorded)
    if (event.kind === "checkpoint") cells += event.checkpoint.cells.size + event.checkpoint.volatile.length;
  assert.ok(cells <= INPUT_LOG_LIMITS.segmentCells, `${cells} cells come out of a log`);
}

/** The events of a segment, unpacked. */
export function events(): FuzzedParser {
  return {
    name: "log-events",
    code: [
      { file: "protocol/input-log/event-codec.ts" },
      { file: "protocol/input-log/cells.ts" },
      { file: "protocol/input-log/checkpoint-state.ts" },
    ],
    shape: "bytes",
    codes: ["DAMAGED"],
    valid: (random) => recordings(random).map((recorded) => writeEvents(recorded)),
    parse: (input) => {
      const recorded = readEvents(input);
      checkSize(recorded);
      assert.deepEqual(readEvents(writeEvents(recorded)), recorded);
      const state = new CheckpointState();
      for (const event of recorded) {
        if (event.kind !== "checkpoint") continue;
        try {
          state.apply(event.checkpoint);
        } catch (error) {
          // It does not fit the pictures before it.
          assert.ok(error instanceof HomewardError && error.code === "DAMAGED");
          break;
        }
        assert.equal(state.width, event.checkpoint.width);
        assert.equal(state.height, event.checkpoint.height);
        for (const [cell, luma] of event.checkpoint.cells) assert.equal(state.grid[cell], luma);
        assert.equal(state.volatile.size, event.checkpoint.volatile.length);
      }
      return true;
    },
  };
}

async function all<T>(things: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const thing of things) list.push(thing);
  return list;
}

/** Stored segments, and everything that is done with the log of another host. Half of them get a checksum that is right. */
export function segments(): FuzzedParser {
  const long: { seq: number; data: Buffer }[] = [];
  return {
    name: "log-segment",
    code: [{ file: "protocol/input-log/segment.ts", functions: ["decodeSegment", "readableEvents", "mergeSegments", "checksum"] }],
    shape: "bytes",
    codes: ["DAMAGED"],
    // What is unpacked comes in pieces of this.
    largestBytes: 1024 * 1024,
    valid: async (random) => {
      for (let seq = 0; seq < 2; seq++) long.push({ seq, data: await encodeSegment(longRecording(seq * 9000)) });
      return Promise.all(recordings(random).map((recorded) => encodeSegment(recorded)));
    },
    parse: async (input, random) => {
      if (random(2) === 0 && input.length >= 10)
        input.writeUInt32BE(crc32(input.subarray(10), crc32(input.subarray(0, 6))), 6);
      if (random(500) === 0) {
        assert.equal((await mergeSegments(long, () => undefined)).length, 2);
        await assert.rejects(decodeSegment(TOO_LONG), { code: "DAMAGED" });
      }
      const [damage, gap]: [unknown[], unknown[]] = [[], []];
      const log = [{ seq: 0, data: input }, { seq: 1, data: input }];
      const read = await all(readableEvents(log.slice(0, 1), (error) => damage.push(error)));
      await all(readableEvents(log.slice(1), (error) => gap.push(error)));
      assert.equal(gap.length, 1);
      const merged = await mergeSegments(log.slice(0, 1), () => undefined);
      const again = await Promise.all(merged.map((data) => decodeSegment(data)));
      assert.deepEqual(again.flat(), read);
      const { steps } = await planReplay(read);
      assert.ok(steps.length <= read.length + 1);
      for (const { text } of await all(describeLog(read, { showText: true }))) assert.ok(text.length > 0);
      const recorded = await decodeSegment(input);
      assert.equal(damage.length, 0);
      checkSize(recorded);
      assert.deepEqual(read, recorded);
      assert.deepEqual(await decodeSegment(await encodeSegment(recorded)), recorded);
      return true;
    },
  };
}

/** Segments as they are kept: whatever was changed in one, it does not open. */
export function sealedSegments(dir: string): FuzzedParser {
  const keys = new LogKeys({ dir, workspace: "w" });
  const whole = new Set<string>();
  return {
    name: "log-sealed",
    code: [{ file: "recorder/log-keys.ts", functions: ["open"] }],
    shape: "bytes",
    codes: [],
    valid: (random) =>
      Array.from({ length: 20 }, () => {
        const sealed = keys.seal("g", 0, randomBytes(random, random(200)));
        whole.add(sealed.toString("hex"));
        return sealed;
      }),
    parse: (input) => {
      const opened = keys.open("g", 0, input);
      assert.equal(opened !== null, whole.has(input.toString("hex")));
      assert.equal(keys.open("g", 1, input), null);
      assert.equal(keys.open("h", 0, input), null);
      return opened !== null;
    },
  };
}
