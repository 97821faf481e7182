import { z } from "zod";
import { EXIT_STATUS, HomewardError, type ErrorCode } from "../common/errors.ts";

/**
 * What passes between this program and those that hold the native modules (capture/main.ts, inject/main.ts): JSON, a line a
 * message, on their stdin and stdout. Both ends check every line; a program ends when its stdin does.
 */

/** Longest line that is taken, in bytes. */
export const MAX_LINE_BYTES = 4096;

const side = z.int().min(0).max(65535);
const windowSchema = z.int().min(1).max(0xffffffff);
export const screenSchema = z.strictObject({ width: side, height: side });
export const layoutSchema = z.strictObject({ scale: z.enum(["fit", "none"]), top: z.int().min(0).max(4096) });

const keySchema = z.strictObject({
  type: z.literal("key"),
  down: z.boolean(),
  keysym: z.int().min(0).max(0xffffffff),
  keycode: z.int().min(0).max(0xff),
});
const pointerSchema = z.strictObject({
  type: z.literal("pointer"),
  /** Guest's pixels. */
  x: side,
  y: side,
  /** RFC 6143 7.5.5. */
  buttons: z.int().min(0).max(0xff),
});
/** The last line of a program that cannot go on. */
const endSchema = z.strictObject({
  type: z.literal("end"),
  code: z.enum(Object.keys(EXIT_STATUS) as [ErrorCode, ...ErrorCode[]]),
  message: z.string().max(1000),
  hint: z.string().max(1000).nullable(),
});

export type EndMessage = z.output<typeof endSchema>;

/** One thing that the user did in a window. */
export const windowInputSchema = z.discriminatedUnion("type", [keySchema, pointerSchema]);
export type WindowInputEvent = z.output<typeof windowInputSchema>;

/** First line for the capturing program, then only `screen`. */
export const captureBeginSchema = z.strictObject({
  window: windowSchema,
  layout: layoutSchema,
  screen: screenSchema,
});
export type CaptureBegin = z.output<typeof captureBeginSchema>;
export const captureCommandSchema = z.strictObject({ screen: screenSchema });

/** What the capturing program says. */
export const captureMessageSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("ready") }),
  keySchema,
  pointerSchema,
  endSchema,
]);
export type CaptureMessage = z.output<typeof captureMessageSchema>;

/** First line for the injecting program, then what it is to do. */
export const injectBeginSchema = captureBeginSchema;
export type InjectBegin = CaptureBegin;
export const injectCommandSchema = z.discriminatedUnion("type", [
  keySchema,
  pointerSchema,
  z.strictObject({ type: z.literal("screen"), screen: screenSchema }),
]);
export type InjectCommand = z.output<typeof injectCommandSchema>;

export const injectMessageSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("ready") }),
  endSchema,
]);
export type InjectMessage = z.output<typeof injectMessageSchema>;

/** An error as a program's last line. */
export function endMessage(error: HomewardError): EndMessage {
  const { code, message, hint } = error;
  return { type: "end", code, message: message.slice(0, 1000), hint: hint?.slice(0, 1000) ?? null };
}

export function endError({ code, message, hint }: EndMessage): HomewardError {
  return new HomewardError(code, message, hint === null ? {} : { hint });
}

/**
 * Splits a stream into lines and checks each.
 * @throws PEER at a line that is too long, is no JSON or none of the messages expected
 */
export class MessageLines<T> {
  readonly #schema: z.ZodType<T>;
  readonly #take: (message: T) => void;
  #rest = "";

  constructor(schema: z.ZodType<T>, take: (message: T) => void) {
    this.#schema = schema;
    this.#take = take;
  }

  push(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#take(this.#parse(line));
    if (this.#rest.length > MAX_LINE_BYTES) throw new HomewardError("PEER", "a program of ours sent a line that never ends");
  }

  #parse(line: string): T {
    try {
      if (line.length > MAX_LINE_BYTES) throw new Error("too long");
      return this.#schema.parse(JSON.parse(line));
    } catch (cause) {
      throw new HomewardError("PEER", "a program of ours sent something that is no message", { cause });
    }
  }
}
