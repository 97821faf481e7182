import { HomewardError } from "../common/errors.ts";
import { mapOrdered } from "../common/ordered.ts";
import { encodeFrame, openFrame, type FramePayload } from "../protocol/residual/frame-message.ts";
import { FRAME_BLOCKS } from "../protocol/residual/limits.ts";
import type { BlockDevice } from "./block-device.ts";
import type { HashPool } from "./hash-pool.ts";
import { leaveOutOffered, putBackParts, type WantedPlace } from "./parts.ts";
import { blocksAt, readBlocks, type PerDevice, type Place } from "./places.ts";

/**
 * A list of blocks as frames, and back. The dictionary of a frame is what both sides have by then: the frame before it,
 * and the generation's blocks at the same addresses (what neither the generation nor the twin holds is, for the most
 * part, a page with a few hundred bytes changed). Measured on the residual of a suspended desktop after a developer's
 * session, all frames at zstd level 19: 433 kB without a dictionary, 139 with the generation's blocks, 138 with the frame
 * before as well, 134 as one long frame with everything in its window. Frames of 512 blocks gain 1 %, but at level 3
 * their dictionary is too large for the compressor's tables (346 instead of 172 kB).
 */

/** Frames in the making at once; the pool of zlib threads is shared with file reads. */
const FRAMES_AT_ONCE = 2;

export interface FrameSource {
  readonly current: PerDevice<BlockDevice>;
  /** Null leaves the generation out of the dictionaries. */
  readonly base: PerDevice<BlockDevice> | null;
  readonly pool: HashPool;
  readonly signal: AbortSignal | undefined;
}

/** Places in order, in lists as long as they come. */
type PlaceLists = Iterable<Iterable<WantedPlace>> | AsyncIterable<Iterable<WantedPlace>>;

/** Cuts places into frames. */
async function* frameGroups(
  lists: PlaceLists,
): AsyncGenerator<WantedPlace[], void, undefined> {
  let group: WantedPlace[] = [];
  for await (const places of lists) {
    for (const place of places) {
      group.push(place);
      if (group.length < FRAME_BLOCKS) continue;
      yield group;
      group = [];
    }
  }
  if (group.length > 0) yield group;
}

interface FrameInput {
  readonly sequence: number;
  readonly blocks: number;
  readonly payload: FramePayload;
  readonly dictionary: readonly Uint8Array[];
}

async function* frameInputs(
  source: FrameSource,
  places: PlaceLists,
): AsyncGenerator<FrameInput, void, undefined> {
  let sequence = 0;
  let before: Buffer = Buffer.alloc(0);
  for await (const group of frameGroups(places)) {
    const [content, same] = await Promise.all([
      readBlocks(blocksAt(source.current, group), source.pool),
      generationBlocks(source.base, group, source.pool),
    ]);
    const payload = await leaveOutOffered(group, content, source.pool);
    yield { sequence, blocks: group.length, payload, dictionary: [before, same] };
    sequence++;
    // Only what was sent: a part that was left out by mistake must not spoil the frames after this one.
    before = payload.bytes;
  }
}

function generationBlocks(
  base: PerDevice<BlockDevice> | null,
  places: readonly Place[],
  pool: HashPool,
): Promise<Buffer> {
  return base === null ? Promise.resolve(Buffer.alloc(0)) : readBlocks(blocksAt(base, places), pool);
}

/** The contents of the places, in order. @param level zstd level 1 to 19 */
export function encodeFrames(
  source: FrameSource,
  places: PlaceLists,
  level: number,
): AsyncGenerator<Buffer, void, undefined> {
  return mapOrdered(
    frameInputs(source, places),
    FRAMES_AT_ONCE,
    ({ sequence, blocks, payload, dictionary }) => encodeFrame(sequence, blocks, payload, dictionary, level),
    source.signal,
  );
}

export interface DecodedFrame {
  readonly places: readonly Place[];
  readonly content: Buffer;
  /** For each block, the parts that came from the twin; undefined when none did. */
  readonly leftOut: Uint8Array | undefined;
}

/** A place in the list that both sides walk, and the parts offered for it, one bit each. */
export interface ExpectedPlace extends Place {
  readonly offered: number;
}

/** Takes the frames of one list of places in order. */
export class FrameDecoder {
  readonly #base: PerDevice<BlockDevice> | null;
  readonly #twin: PerDevice<BlockDevice> | undefined;
  readonly #pool: HashPool;
  #sequence = 0;
  /** What the frame before brought, which the next one needs. */
  #before: Promise<Buffer> = Promise.resolve(Buffer.alloc(0));

  /**
   * @param base the generation's devices, where they are part of the dictionaries
   * @param twin where parts that are left out come from
   */
  constructor(base: PerDevice<BlockDevice> | null, twin: PerDevice<BlockDevice> | undefined, pool: HashPool) {
    this.#base = base;
    this.#pool = pool;
    this.#twin = twin;
  }

  /**
   * Unpacks the next frame; may be called again before this one is done.
   * @param take removes that many places from the front of the list that both sides walk; throws when there are fewer
   * @throws PEER, DAMAGED
   */
  async decode(frame: Buffer, take: (blocks: number) => readonly ExpectedPlace[]): Promise<DecodedFrame> {
    const opened = openFrame(frame);
    if (opened.sequence !== this.#sequence)
      throw new HomewardError("PEER", "the other host's frames are out of order", {
        data: { expected: this.#sequence, actual: opened.sequence },
      });
    this.#sequence++;
    const places = take(opened.blocks);
    const before = this.#before;
    const unpacked = Promise.all([before, generationBlocks(this.#base, places, this.#pool)]).then((parts) =>
      opened.unpack(parts),
    );
    this.#before = unpacked.then(({ bytes }) => bytes);
    // Whoever waits for the next frame sees the failure too; nobody need.
    this.#before.catch(() => undefined);
    const payload = await unpacked;
    return { places, content: await this.#wholeBlocks(places, payload), leftOut: payload.leftOut };
  }

  #wholeBlocks(places: readonly ExpectedPlace[], payload: FramePayload): Promise<Buffer> {
    const { leftOut } = payload;
    if (leftOut === undefined) return Promise.resolve(payload.bytes);
    if (this.#twin === undefined || places.some(({ offered }, i) => ((leftOut[i] ?? 0) & ~offered) !== 0))
      throw new HomewardError("PEER", "the other host leaves out parts that were not offered");
    return putBackParts(places, payload, this.#twin, this.#pool);
  }
}
