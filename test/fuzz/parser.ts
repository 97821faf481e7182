import type { ErrorCode } from "../../common/errors.ts";
import type { Random } from "./random.ts";

/** Code whose branches are counted: a whole file, or some functions of it by their names as V8 gives them. */
export interface ParserCode {
  /** Relative to the project. */
  readonly file: string;
  readonly functions?: readonly string[];
}

/** Something that reads what came from a peer, a guest or a file. */
export interface FuzzedParser {
  readonly name: string;
  readonly code: readonly ParserCode[];
  /** How inputs are changed: as bytes, as values in JSON (and as bytes), or as text with `words` (and as bytes). */
  readonly shape: "bytes" | "json" | "text";
  readonly words?: readonly string[];
  /** What it may throw. Any other error, of whatever kind, is a failure. */
  readonly codes: readonly ErrorCode[];
  /** The most bytes that may be asked for at once, whatever the input; 64 KiB and 16 times the input may be anyway. */
  readonly largestBytes?: number;
  /** Valid inputs, made by the project's own encoders where it has them. */
  valid(random: Random): readonly Buffer[] | Promise<readonly Buffer[]>;
  /** Well-formed inputs that are refused for what they say; they are changed like the valid ones. */
  readonly refused?: readonly Buffer[];
  /**
   * Parses, and checks that what came out of it is consistent: that it can be encoded and comes back the same, that a stream
   * means the same in any portions. Throws what the parser throws, or an AssertionError.
   * @returns false where the parser refuses by its result
   */
  parse(input: Buffer, random: Random): boolean | Promise<boolean>;
}

/** Makes a parser ready. @param dir a private folder that is removed afterwards */
export type MakeParser = (dir: string) => FuzzedParser;
