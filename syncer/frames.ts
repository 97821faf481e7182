import { HomewardError } from "../common/errors.ts";
import { mapOrdered } from "../common/ordered.ts";
import { zstdCompress, zstdDecompress } from "../common/zstd.ts";
import { checksumOf, encodeFrame, encodeModelFrame, openFrame, type ModelPages } from "../protocol/residual/frame-message.ts";
import { BLOCK_BYTES, FRAME_BLOCKS, MODEL_LEVEL, MOST_ZSTD_LEVEL } from "../protocol/residual/limits.ts";
import type { BlockDevice } from "./block-device.ts";
import type { HashPool } from "./hash-pool.ts";
import type { PageSeries } from "./page-model/page-thread.ts";
import { blocksAt, readBlocks, type PerDevice, type Place } from "./places.ts";

/**
 * A list of blocks as frames, and back. The dictionary of a frame is what both sides have by then: the frame before it,
 * and the generation's blocks at the same addresses (what neither the generation nor the twin holds is, for the most
 * part, a page with a few hundred bytes changed). Measured on the residual of a suspended desktop after a developer's
 * session, all frames at zstd level 19: 433 kB without a dictionary, 139 with the generation's blocks, 138 with the frame
 * before as well, 134 as one long frame with everything in its window. Frames of 512 blocks gain 1 %, but at level 3
 * their dictionary is too large for the compressor's tables (346 instead of 172 kB).
 *
 * At MODEL_LEVEL the pages that are made of numbers and pointers are packed by a model (page-model), and only those of data by
 * zstd: three quarters of the bytes, for as much processor time as zstd takes at level 19.
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
  readonly content: Buffer;
  /** The generation's blocks at the same places. */
  readonly base: Buffer;
}

async function* frameInputs(source: FrameSource, places: PlaceLists): AsyncGenerator<FrameInput, void, undefined> {
  for await (const group of frameGroups(places)) {
    const [content, base] = await Promise.all([
      readBlocks(blocksAt(source.current, group), source.pool),
      generationBlocks(source.base, group, source.pool),
    ]);
    yield { content, base };
  }
}

function generationBlocks(
  base: PerDevice<BlockDevice> | null,
  places: readonly Place[],
  pool: HashPool,
): Promise<Buffer> {
  return base === null ? Promise.resolve(Buffer.alloc(0)) : readBlocks(blocksAt(base, places), pool);
}

/** The same, numbered, with what the one before leaves to the dictionary. */
async function* chained<T>(
  inputs: AsyncIterable<T>,
  leaves: (input: T) => Buffer,
): AsyncGenerator<{ readonly input: T; readonly sequence: number; readonly before: Buffer }, void, undefined> {
  let sequence = 0;
  let before: Buffer = Buffer.alloc(0);
  for await (const input of inputs) {
    yield { input, sequence, before };
    sequence++;
    before = leaves(input);
  }
}

/** The contents of the places, in order. @param level 1 to MODEL_LEVEL; without a generation that is zstd's highest */
export async function* encodeFrames(
  source: FrameSource,
  places: PlaceLists,
  level: number,
): AsyncGenerator<Buffer, void, undefined> {
  const inputs = frameInputs(source, places);
  if (level === MODEL_LEVEL && source.base !== null) {
    yield* encodeModelFrames(inputs, source);
    return;
  }
  yield* mapOrdered(
    chained(inputs, ({ content }) => content),
    FRAMES_AT_ONCE,
    ({ input: { content, base }, sequence, before }) =>
      encodeFrame(sequence, content, [before, base], Math.min(level, MOST_ZSTD_LEVEL)),
    source.signal,
  );
}

async function* encodeModelFrames(
  inputs: AsyncIterable<FrameInput>,
  { pool, signal }: FrameSource,
): AsyncGenerator<Buffer, void, undefined> {
  const series = pool.pageSeries();
  try {
    const packed = mapOrdered(
      inputs,
      FRAMES_AT_ONCE,
      async ({ content, base }) => {
        const { isData, packed } = await series.pack(content, base);
        return {
          blocks: isData.length,
          packed,
          checksum: checksumOf(content),
          data: dataBlocks(content, isData),
          baseData: dataBlocks(base, isData),
        };
      },
      signal,
    );
    yield* mapOrdered(
      chained(packed, ({ data }) => data),
      FRAMES_AT_ONCE,
      async ({ input: { blocks, packed, checksum, data, baseData }, sequence, before }) => {
        const rest = data.length === 0 ? data : await zstdCompress(data, { level: MOST_ZSTD_LEVEL, dictionary: [before, baseData] });
        return encodeModelFrame(sequence, blocks, { packed, data: rest, checksum });
      },
      signal,
    );
  } finally {
    series.end();
  }
}

/** Those blocks that are data, one after the other. @param isData a byte for each block */
function dataBlocks(content: Buffer, isData: Uint8Array): Buffer {
  return Buffer.concat(
    Array.from(isData).flatMap((is, i) => (is === 1 ? [content.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES)] : [])),
  );
}

export interface DecodedFrame {
  readonly places: readonly Place[];
  readonly content: Buffer;
}

/** A frame's content, and what it leaves to the dictionary of the next one. */
interface Unpacked {
  readonly content: Buffer;
  readonly leaves: Buffer;
}

/** Takes the frames of one list of places in order. */
export class FrameDecoder {
  readonly #base: PerDevice<BlockDevice> | null;
  readonly #pool: HashPool;
  readonly #series: PageSeries;
  #sequence = 0;
  /** The generation's blocks at the places of the last frame. */
  #reading: Promise<Buffer> = Promise.resolve(Buffer.alloc(0));
  /** What the frame before leaves. */
  #before: Promise<Buffer> = Promise.resolve(Buffer.alloc(0));

  /** @param base the generation's devices, where they are part of the dictionaries */
  constructor(base: PerDevice<BlockDevice> | null, pool: HashPool) {
    this.#base = base;
    this.#pool = pool;
    this.#series = pool.pageSeries();
  }

  /**
   * Unpacks the next frame; may be called again before this one is done.
   * @param take removes that many places from the front of the list that both sides walk; throws when there are fewer
   * @throws PEER, DAMAGED
   */
  async decode(frame: Buffer, take: (blocks: number) => readonly Place[]): Promise<DecodedFrame> {
    const opened = openFrame(frame);
    const { model } = opened;
    if (opened.sequence !== this.#sequence)
      throw new HomewardError("PEER", "the other host's frames are out of order", {
        data: { expected: this.#sequence, actual: opened.sequence },
      });
    if (model !== null && this.#base === null)
      throw new HomewardError("PEER", "the other host packed blocks against a generation that must not be used");
    this.#sequence++;
    const places = take(opened.blocks);
    const before = this.#before;
    // One after the other: the model has to get the frames in their order.
    this.#reading = this.#reading.then(() => generationBlocks(this.#base, places, this.#pool));
    const unpacked = this.#reading.then(async (base): Promise<Unpacked> => {
      if (model !== null) return this.#unpackModel(opened.sequence, model, base, before);
      const content = await opened.unpack([await before, base]);
      return { content, leaves: content };
    });
    this.#before = unpacked.then(({ leaves }) => leaves);
    // Whoever waits for the next frame sees the failure too; nobody need.
    this.#before.catch(() => undefined);
    const { content } = await unpacked;
    return { places, content };
  }

  /** Call it when no frame is under way any more. */
  close(): void {
    this.#series.end();
  }

  async #unpackModel(sequence: number, model: ModelPages, base: Buffer, before: Promise<Buffer>): Promise<Unpacked> {
    const what = `residual frame ${sequence}`;
    const { isData, content: pages } = await this.#series.unpack(model.packed, base);
    const content = Buffer.from(pages.buffer, pages.byteOffset, pages.byteLength);
    const baseData = dataBlocks(base, isData);
    const dictionary = [await before, baseData];
    const leaves =
      baseData.length === 0 ? baseData : await zstdDecompress(model.data, { maxBytes: baseData.length, dictionary, what });
    if (leaves.length !== baseData.length)
      throw new HomewardError("DAMAGED", `${what} has not the length that it claims`, {
        data: { expected: baseData.length, actual: leaves.length },
      });
    for (let i = 0, at = 0; i < isData.length; i++)
      if (isData[i] === 1) at += leaves.copy(content, i * BLOCK_BYTES, at, at + BLOCK_BYTES);
    if (checksumOf(content) !== model.checksum) throw new HomewardError("DAMAGED", `${what} is not what was sent`);
    return { content, leaves };
  }
}
