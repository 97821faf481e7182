import { HomewardError } from "../common/errors.ts";
import { mapOrdered } from "../common/ordered.ts";
import { encodeFrame, openFrame } from "../protocol/residual/frame-message.ts";
import { FRAME_BLOCKS } from "../protocol/residual/limits.ts";
import type { BlockDevice } from "./block-device.ts";
import type { HashPool } from "./hash-pool.ts";
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
type PlaceLists = Iterable<Iterable<Place>> | AsyncIterable<Iterable<Place>>;

/** Cuts places into frames. */
async function* frameGroups(
  lists: PlaceLists,
): AsyncGenerator<Place[], void, undefined> {
  let group: Place[] = [];
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
  readonly content: Buffer;
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
    yield { sequence, content, dictionary: [before, same] };
    sequence++;
    before = content;
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
    ({ sequence, content, dictionary }) => encodeFrame(sequence, content, dictionary, level),
    source.signal,
  );
}

export interface DecodedFrame {
  readonly places: readonly Place[];
  readonly content: Buffer;
}

/** Takes the frames of one list of places in order. */
export class FrameDecoder {
  readonly #base: PerDevice<BlockDevice> | null;
  readonly #pool: HashPool;
  #sequence = 0;
  /** What the frame before brought, which the next one needs. */
  #before: Promise<Buffer> = Promise.resolve(Buffer.alloc(0));

  /** @param base the generation's devices, where they are part of the dictionaries */
  constructor(base: PerDevice<BlockDevice> | null, pool: HashPool) {
    this.#base = base;
    this.#pool = pool;
  }

  /**
   * Unpacks the next frame; may be called again before this one is done.
   * @param take removes that many places from the front of the list that both sides walk; throws when there are fewer
   * @throws PEER, DAMAGED
   */
  async decode(frame: Buffer, take: (blocks: number) => readonly Place[]): Promise<DecodedFrame> {
    const opened = openFrame(frame);
    if (opened.sequence !== this.#sequence)
      throw new HomewardError("PEER", "the other host's frames are out of order", {
        data: { expected: this.#sequence, actual: opened.sequence },
      });
    this.#sequence++;
    const places = take(opened.blocks);
    const before = this.#before;
    const content = Promise.all([before, generationBlocks(this.#base, places, this.#pool)]).then((parts) =>
      opened.unpack(parts),
    );
    this.#before = content;
    // Whoever waits for the next frame sees the failure too; nobody need.
    this.#before.catch(() => undefined);
    return { places, content: await content };
  }
}
