import { z } from "zod";
import { EXIT_STATUS, HomewardError, type ErrorCode } from "../../common/errors.ts";
import { nameSchema } from "../control.ts";
import { pushFileSchema, pushFilesSchema } from "../push.ts";
import { epochSchema } from "../epoch.ts";
import { generationManifestSchema, sha256Schema } from "../generation.ts";
import { machineDefinitionSchema } from "../machine.ts";
import { blockOriginsSchema, migrationModeSchema, migrationReportSchema, replayOutcomeSchema } from "../report.ts";
import { WIRE_MAGIC, type FrameName } from "../wire.ts";

/** What the frames with a JSON payload hold. All other frames are binary or empty. */

const count = z.int().nonnegative();
const seconds = z.number().nonnegative().max(1e9);
const idSchema = z.uuid();

/** The secret name of a link, by which a new connection goes on with it: 128 random bits. */
const sessionSchema = z.string().regex(/^[0-9a-f]{32}$/, "not a link's name");

/** Of `magic` and `version` only the former is fixed: a newer version may add to its greeting. */
export const helloSchema = z.object({
  magic: z.literal(WIRE_MAGIC),
  version: count,
  host: nameSchema,
  /** The sender's clock, for whoever wonders whether the two agree; nothing else depends on it. */
  time: z.iso.datetime().optional(),
  /** From whoever connects: the name of this link, should it be gone on with later. */
  session: sessionSchema.optional(),
  /** From whoever connects again: the link that this goes on with, and how many numbered frames came over it. */
  resume: z.strictObject({ session: sessionSchema, received: z.int().nonnegative().max(0xffff_ffff) }).optional(),
});

const errorCodes = Object.keys(EXIT_STATUS) as [ErrorCode, ...ErrorCode[]];

export const abortSchema = z.strictObject({
  code: z.enum(errorCodes),
  message: z.string().max(4000),
  hint: z.string().max(1000).nullable(),
});

export const wireProgressSchema = z.strictObject({
  phase: z.string().max(40),
  done: z.number().nonnegative(),
  total: z.number().nonnegative().optional(),
  unit: z.enum(["bytes", "blocks", "steps", "ms"]),
  note: z.string().max(200).optional(),
});

export const offerSchema = z.strictObject({
  id: idSchema,
  kind: z.enum(["migration", "measurement"]),
  workspace: nameSchema,
  mode: migrationModeSchema,
  /** The generation that both hosts hold and that the state grew from. */
  base: sha256Schema,
  machine: machineDefinitionSchema,
  /** Bytes on disk of the overlays above the base: what the destination may have to write besides RAM. */
  overlay_bytes: count,
  device_bytes: count,
  hold: z.boolean(),
  /** Missing: it was never taken over. */
  epoch: epochSchema.optional(),
});

/** `root`: the generation that it was taken over with. */
export const fenceSchema = z.strictObject({ workspace: nameSchema, epoch: epochSchema, root: sha256Schema });
/** `kept_as`: the workspace that the other host's own work is now; null if it had none. */
export const fencedSchema = z.strictObject({ workspace: nameSchema, kept_as: nameSchema.nullable() });

/**
 * `whole`: the device state was not sent as a delta. `recording_paused`: the user has paused the recording, which then stays
 * paused on the host that takes the workspace.
 */
export const deviceEndSchema = z.strictObject({ whole: z.boolean(), recording_paused: z.boolean().default(false) });

export const preparedSchema = z.strictObject({
  root: sha256Schema,
  blocks: blockOriginsSchema,
  replay: z
    .strictObject({
      outcome: replayOutcomeSchema,
      recorded_s: seconds,
      think_s: seconds,
      events: count,
      checkpoints: z.strictObject({ total: count, matched: count, missed: count }),
    })
    .nullable(),
  replay_s: seconds,
  resolve_s: seconds,
  verify_s: seconds,
  notes: z.array(z.string().max(500)).max(10),
});
export type Prepared = z.infer<typeof preparedSchema>;

const onlyId = z.strictObject({ id: idSchema });
export const doneSchema = z.strictObject({
  id: idSchema,
  /** From the release's arrival to the running machine. */
  resume_s: seconds,
  started: z.boolean(),
  /** Why the machine was not started although that was asked for. */
  note: z.string().max(500).nullable(),
});

/** "unknown": this host has no record of that migration. */
export const VERDICTS = ["released", "kept", "undecided", "unknown"] as const;
export type Verdict = (typeof VERDICTS)[number];
export const verdictSchema = z.strictObject({ id: idSchema, verdict: z.enum(VERDICTS) });

/**
 * What is to be asked about. `overlay_bytes`, `device_bytes`: as in an offer; of a push the former is what all its files
 * take, the latter 0.
 */
export const checkSchema = z.strictObject({
  purpose: z.enum(["migration", "push"]),
  workspace: nameSchema,
  mode: migrationModeSchema,
  base: sha256Schema,
  machine: machineDefinitionSchema,
  overlay_bytes: count,
  device_bytes: count,
  hold: z.boolean(),
});

/** Everything that is missing, in the order in which it would be met; empty when it would go. */
export const checkedSchema = z.strictObject({ missing: z.array(abortSchema).max(20) });

/** `difference`: the sender can also tell by how it differs from the generation before, if that is what is `accept`ed. */
export const pushSchema = z.strictObject({
  workspace: nameSchema,
  manifest: generationManifestSchema,
  files: pushFilesSchema,
  difference: z.boolean().optional(),
});
/** `landed`: bytes of it that lie there already, from an earlier attempt. */
export const pushWantSchema = z.strictObject({ name: pushFileSchema, landed: count });
export const pushStartSchema = z.strictObject({ compress: z.boolean() });
export const pushedSchema = z.strictObject({ root: sha256Schema, held: z.boolean() });

/** `room`: bytes of disk and memory that the host has free. */
export const heldSchema = z.strictObject({
  room: z.strictObject({ disk: count, memory: count }),
  generations: z
    .array(z.strictObject({ workspace: nameSchema, root: sha256Schema, bytes: count, created_at: z.iso.datetime() }))
    .max(1000),
});

export const MESSAGES = {
  hello: helloSchema,
  abort: abortSchema,
  progress: wireProgressSchema,
  offer: offerSchema,
  /** For whoever watches at the source: what is lacking is `shipped`. */
  needEnd: blockOriginsSchema,
  deviceEnd: deviceEndSchema,
  manifest: generationManifestSchema,
  prepared: preparedSchema,
  release: onlyId,
  taken: onlyId,
  done: doneSchema,
  report: migrationReportSchema,
  query: onlyId,
  verdict: verdictSchema,
  check: checkSchema,
  checked: checkedSchema,
  push: pushSchema,
  pushWant: pushWantSchema,
  pushStart: pushStartSchema,
  pushed: pushedSchema,
  held: heldSchema,
  fence: fenceSchema,
  fenced: fencedSchema,
} as const satisfies Partial<Record<FrameName, z.ZodType>>;

export type MessageName = keyof typeof MESSAGES;
export type Message<N extends MessageName> = z.output<(typeof MESSAGES)[N]>;

export function encodeMessage<N extends MessageName>(name: N, message: Message<N>): Buffer {
  return Buffer.from(JSON.stringify(MESSAGES[name].parse(message)));
}

/** @throws PEER if the payload is not what a frame of that name holds */
export function decodeMessage<N extends MessageName>(name: N, payload: Buffer): Message<N> {
  let value: unknown;
  try {
    value = JSON.parse(payload.toString("utf8"));
  } catch (cause) {
    throw new HomewardError("PEER", `the other host sent a ${name} message that is not JSON`, { cause });
  }
  const parsed = MESSAGES[name].safeParse(value);
  if (!parsed.success)
    throw new HomewardError("PEER", `the other host sent a ${name} message that is not right`, {
      cause: parsed.error,
      data: { where: parsed.error.issues.slice(0, 5).map((issue) => issue.path.join(".")) },
    });
  // Safe: the schema was looked up by the same name.
  return parsed.data as Message<N>;
}
