import { z } from "zod";
import { HomewardError } from "../../common/errors.ts";
import { keyForChar } from "../../vm/rfb/keymap.ts";
import { parseChord } from "./keys.ts";

/** A session file is a page or two of JSON; more is a mistake. */
const MAX_BYTES = 1024 * 1024;

const point = z.tuple([z.int().min(0).max(8191), z.int().min(0).max(8191)]);

function usage<T>(check: (value: T) => void): (value: T, context: z.RefinementCtx) => void {
  return (value, context) => {
    try {
      check(value);
    } catch (error) {
      if (!(error instanceof HomewardError)) throw error;
      context.addIssue({ code: "custom", message: error.message });
    }
  };
}

const typedText = z
  .string()
  .min(1)
  .max(20_000)
  .superRefine(
    usage((text) => {
      for (const character of text) keyForChar(character);
    }),
  );

const chordText = z.string().min(1).max(60).superRefine(
  usage((text) => {
    parseChord(text);
  }),
);

const seconds = z.number().positive().max(60);
/** Longest wait for a still screen unless the step says, in seconds. */
const STILL_TIMEOUT_S = 20;

const button = z.enum(["left", "middle", "right"]);

/** What one step may hold; a step has exactly one of these. Seconds for times, pixels for places. */
const ACTIONS = {
  /** Text to type; a line feed is Enter. */
  type: typedText,
  /** Keys pressed together: "ctrl-s". */
  keys: chordText,
  click: z.union([
    point.transform((at) => ({ at, button: "left" as const })),
    z.strictObject({ at: point, button: button.default("left") }),
  ]),
  double: point,
  /** From, to. */
  drag: z.tuple([point, point]),
  /** Wheel notches; positive scrolls down. */
  scroll: z.strictObject({ at: point, by: z.int().min(-50).max(50).refine((by) => by !== 0, "must not be 0") }),
  wait: z.number().min(0).max(600),
  /** Waits until the screen has not changed for so long, at most until the time-out. With `changed`, so much of the
   * picture, in percent, must differ from what it was before the last press of a key or button: 10 or so for a window
   * that opens, 0.3 for a shell's next prompt. */
  wait_still: z.union([
    seconds.transform((still) => ({ seconds: still, changed: 0, timeout: Math.max(STILL_TIMEOUT_S, still) })),
    z.strictObject({
      seconds,
      changed: z.number().min(0).max(90).default(0),
      timeout: z.number().positive().max(600).default(STILL_TIMEOUT_S),
    }),
  ]),
} as const;

const ACTION_NAMES = Object.keys(ACTIONS).join(", ");

const stepSchema = z
  .strictObject(ACTIONS)
  .partial()
  .superRefine((step, context) => {
    if (Object.keys(step).length !== 1)
      context.addIssue({ code: "custom", message: `must have exactly one of: ${ACTION_NAMES}` });
  });

const paceSchema = z.strictObject({
  /** From one key to the next, in milliseconds. */
  key_ms: z.number().min(5).max(5000).default(90),
  /** Length of a pointer movement across half the screen, in milliseconds. */
  move_ms: z.number().min(20).max(10_000).default(400),
  /** Before each step, in milliseconds. */
  pause_ms: z.number().min(0).max(10_000).default(350),
  /** Every time varies by up to this share of it, the same way each time the session is played. */
  jitter: z.number().min(0).max(0.9).default(0.3),
  seed: z.int().min(0).max(0xffff_ffff).default(1),
});

const sessionSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "must be lower-case letters, digits and hyphens"),
  description: z.string().min(1).max(1000),
  guest: z.enum(["desktop", "tiny"]),
  pace: paceSchema.prefault({}),
  steps: z.array(stepSchema).min(1).max(5000),
});

/** What a person does at a guest, as written in demo/sessions/*.json. */
export type Session = z.infer<typeof sessionSchema>;
export type SessionStep = Session["steps"][number];
export type Pace = Session["pace"];
export type Point = z.infer<typeof point>;

/** Where in the file an issue is: steps are counted from 1, as people do. */
function place(path: readonly PropertyKey[]): string {
  const [first, index, ...rest] = path;
  if (first !== "steps" || typeof index !== "number") return path.length === 0 ? "" : `${path.join(".")}: `;
  return [`step ${index + 1}`, ...rest.map(String)].join(", ") + ": ";
}

/**
 * Reads the text of a session file.
 * @throws USAGE if it is not JSON or not a session; the message names the step, counted from 1
 */
export function parseSession(text: string): Session {
  if (text.length > MAX_BYTES) throw new HomewardError("USAGE", "the session file is too large");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new HomewardError("USAGE", `the session file is not JSON: ${(cause as Error).message}`, { cause });
  }
  const parsed = sessionSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.slice(0, 5).map((issue) => place(issue.path) + issue.message);
  throw new HomewardError("USAGE", `the session file is not valid: ${issues.join("; ")}`, {
    hint: `A step is an object with one of: ${ACTION_NAMES}.`,
  });
}
