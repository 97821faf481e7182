import { constants, zstdCompress as compress, zstdDecompress as decompress } from "node:zlib";
import { HomewardError } from "./errors.ts";
import { freeBuffer } from "./free-buffer.ts";

export interface ZstdCompressOptions {
  /** 1 to 19. */
  readonly level: number;
  /** Raw content that the other side has too; matches may point into it. */
  readonly dictionary?: readonly Uint8Array[];
  /** For large inputs that resemble the dictionary at a distance. */
  readonly longDistance?: true;
}

export interface ZstdDecompressOptions {
  /** Output past this many bytes is DAMAGED; memory stays in proportion to it. */
  readonly maxBytes: number;
  readonly dictionary?: readonly Uint8Array[];
  /** Names the data in error messages. */
  readonly what: string;
}

const MAX_WINDOW_LOG = 29;
/**
 * The compressor's tables, as logarithms of their entries (4 bytes each). At level 19 zstd would take some 100 MB for each
 * MiB that is compressed against 2 MiB; with these it takes a sixth of that, for about 1 % more output on residual frames
 * and device states. Again: npm run bench -- zstd
 */
const HASH_LOG = 19;
const CHAIN_LOG = 20;
/**
 * For what is to be found at a distance of up to 4 MiB: a shorter chain forgets all but the end of a dictionary of some MiB. A
 * device state of 5 MiB with UEFI firmware in it takes 0.8 kB with this instead of 480, and twice 32 MB of memory for a
 * moment: zstd makes these tables for the dictionary, and again for the data.
 */
const LONG_CHAIN_LOG = 23;
/**
 * zstd takes a dictionary that begins with its own magic number for a trained one and rejects it as corrupt; guest memory
 * may begin with anything, so something harmless comes first.
 */
const RAW_CONTENT_PREFIX = Buffer.alloc(8);

/** Smallest window (log2 of bytes) from which everything in the dictionary and the data can be reached. */
function windowLog(dataBytes: number, dictionaryBytes: number): number {
  return Math.min(MAX_WINDOW_LOG, Math.max(10, Math.ceil(Math.log2(dataBytes + dictionaryBytes + 1))));
}

function joinDictionary(parts: readonly Uint8Array[] | undefined): Buffer | undefined {
  if (parts === undefined || parts.length === 0) return undefined;
  const all = [RAW_CONTENT_PREFIX, ...parts];
  // Not from the shared pool, so that it can be freed.
  const joined = Buffer.allocUnsafeSlow(all.reduce((bytes, part) => bytes + part.length, 0));
  let at = 0;
  for (const part of all) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** What zstd is told for data of this size, with a dictionary of that one. */
export function compressorParams(level: number, dataBytes: number, dictionaryBytes: number): Record<number, number> {
  return {
    [constants.ZSTD_c_compressionLevel]: level,
    [constants.ZSTD_c_windowLog]: windowLog(dataBytes, dictionaryBytes),
    [constants.ZSTD_c_hashLog]: HASH_LOG,
    [constants.ZSTD_c_chainLog]: CHAIN_LOG,
  };
}

function longDistanceParams(dataBytes: number, dictionaryBytes: number): Record<number, number> {
  const window = windowLog(dataBytes, dictionaryBytes);
  return {
    [constants.ZSTD_c_enableLongDistanceMatching]: 1,
    [constants.ZSTD_c_chainLog]: Math.max(CHAIN_LOG, Math.min(LONG_CHAIN_LOG, window)),
  };
}

/** One zstd frame (RFC 8878), made off the main thread. */
export function zstdCompress(data: Uint8Array, options: ZstdCompressOptions): Promise<Buffer> {
  const dictionary = joinDictionary(options.dictionary);
  const dictionaryBytes = dictionary?.length ?? 0;
  const params = {
    ...compressorParams(options.level, data.length, dictionaryBytes),
    ...(options.longDistance === true ? longDistanceParams(data.length, dictionaryBytes) : {}),
  };
  const chunkSize = Math.min(1 << 20, Math.max(4096, data.length + 1024));
  return new Promise((resolve, reject) => {
    compress(
      data,
      { params, chunkSize, pledgedSrcSize: data.length, ...(dictionary === undefined ? {} : { dictionary }) },
      (error, result) => {
        freeBuffer(dictionary);
        if (error === null) resolve(result);
        else reject(new HomewardError("INTERNAL", `zstd: ${error.message}`, { cause: error }));
      },
    );
  });
}

/**
 * Undoes zstdCompress off the main thread.
 * @throws DAMAGED when the data is not a zstd frame, ends early, goes on after its end or holds more than `maxBytes`
 */
export function zstdDecompress(data: Uint8Array, options: ZstdDecompressOptions): Promise<Buffer> {
  const dictionary = joinDictionary(options.dictionary);
  const params = { [constants.ZSTD_d_windowLogMax]: windowLog(options.maxBytes, dictionary?.length ?? 0) };
  const chunkSize = Math.min(1 << 20, Math.max(4096, options.maxBytes));
  return new Promise((resolve, reject) => {
    decompress(
      data,
      {
        params,
        chunkSize,
        maxOutputLength: Math.max(1, options.maxBytes),
        rejectGarbageAfterEnd: true,
        ...(dictionary === undefined ? {} : { dictionary }),
      },
      (error, result) => {
        freeBuffer(dictionary);
        if (error === null) resolve(result);
        else reject(new HomewardError("DAMAGED", `${options.what} cannot be unpacked`, { cause: error }));
      },
    );
  });
}
