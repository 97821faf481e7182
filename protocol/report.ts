import { z } from "zod";

/**
 * What a migration (or a measurement) did, as `--json` prints it and as both hosts store it. Names are snake_case because
 * they are a public format; seconds have `_s`, sizes are bytes, counts of blocks are 4 KiB blocks.
 */

const count = z.number().int().nonnegative();
const seconds = z.number().nonnegative();
const root = z.string().regex(/^[0-9a-f]{64}$/);

/** A stretch of the recorded timeline that the replay kept to, left, or came back to. */
export const replayPathSchema = z.strictObject({
  kind: z.enum(["same", "left", "returned"]),
  from_step: count,
  to_step: count,
  text: z.string().max(500),
});

export const replayOutcomeSchema = z.strictObject({
  /** Why the replay stopped before the end of the recording; null when it got to the end. */
  gave_up: z.string().max(500).nullable(),
  /** 16x16-pixel cells that were no longer compared at the end. */
  masked_cells: count,
  /** How fast the twin showed what the recorded machine had shown, on average: 1 = as fast. It decides how long the replay
   * may take: 1.3 x (recorded - think) / speed + 10 s. */
  speed: z.number().positive().max(1),
  path: z.array(replayPathSchema).max(200),
});

/** Bytes that crossed a connection, headers included, both directions; the kinds sum to `total`. */
export const byteCountsSchema = z.strictObject({
  log: count,
  index: count,
  need: count,
  residual: count,
  device: count,
  control: count,
  total: count,
});
export type ByteCounts = z.infer<typeof byteCountsSchema>;

/** Where the changed blocks came from: made of nothing, held already, made by the twin, sent. */
export const blockOriginsSchema = z.strictObject({ zero: count, generation: count, twin: count, shipped: count });
export type BlockOrigins = z.infer<typeof blockOriginsSchema>;

export const migrationModeSchema = z.enum(["replay", "overlay"]);
/** What may be asked for; "auto": the source chooses when it knows what differs. */
export const askedModeSchema = z.enum(["auto", ...migrationModeSchema.options]);

const costSchema = z.strictObject({ bytes: count, seconds });

/** How "auto" came to its mode, and what it expected of either. */
export const modeChoiceSchema = z.strictObject({
  /** Bytes alone counted. */
  metered: z.boolean(),
  /** In one sentence, for people. */
  why: z.string().max(300),
  /** All bytes over the connection, and click to usable; null where nothing could have been replayed. */
  replay: costSchema.nullable(),
  overlay: costSchema,
  /** Speed of the link that this was worked out with; null: it was too fast to be measured. */
  bits_per_s: z.number().positive().nullable(),
  /** Why the replay was ended before its end; null if it was not. */
  stopped: z.string().max(300).nullable(),
});
export type ModeChoice = z.infer<typeof modeChoiceSchema>;

export const migrationReportSchema = z.strictObject({
  id: z.uuid(),
  workspace: z.string().max(200),
  from: z.string().max(200),
  to: z.string().max(200),
  /** "migration" moved the workspace; "measurement" did the same exchange and kept nothing. */
  kind: z.enum(["migration", "measurement"]),
  /** What was done in the end: "replay" also where the replay was ended early. */
  mode: migrationModeSchema,
  /** null where the mode was asked for; missing in reports of earlier versions. */
  choice: modeChoiceSchema.nullable().default(null),
  /** The destination's root over what it wrote equals the source's. */
  verified: z.boolean(),
  base_root: root,
  root_source: root,
  root_destination: root,
  /** The host that owns the workspace after this. */
  owner: z.string().max(200),
  /** Length of the recording that the replay started from; 0 without a log. */
  recorded_s: seconds,
  /** How much of that was pauses between inputs. */
  think_s: seconds,
  events: count,
  checkpoints: z.strictObject({ total: count, matched: count, missed: count }),
  /** null when nothing was replayed (overlay mode, an empty log, or a twin that failed; `notes` says which). */
  replay: replayOutcomeSchema.nullable(),
  phases: z.strictObject({
    suspend_s: seconds,
    log_s: seconds,
    replay_s: seconds,
    index_s: seconds,
    residual_s: seconds,
    verify_s: seconds,
    resume_s: seconds,
    click_to_usable_s: seconds,
  }),
  /** Everything that crossed the connection. */
  bytes: byteCountsSchema,
  blocks: z.strictObject({ ram_dirty: count, disk_dirty: count, ...blockOriginsSchema.shape }),
  /** Level of packing of the residual: zstd's, or MODEL_LEVEL. */
  level: z.number().int().min(1).max(22),
  /** The destination took the workspace and did not start it. */
  hold: z.boolean(),
  /** Anything a person should know: a twin that failed, blocks that were fetched again. */
  notes: z.array(z.string().max(500)).max(20),
  finished_at: z.iso.datetime(),
});

export type MigrationReport = z.infer<typeof migrationReportSchema>;
export type MigrationMode = z.infer<typeof migrationModeSchema>;
export type AskedMode = z.infer<typeof askedModeSchema>;
export type ReplayOutcome = z.infer<typeof replayOutcomeSchema>;
