import { z } from "zod";
import { EXIT_STATUS, HomewardError, type ErrorCode } from "../common/errors.ts";
import { capturedParams, capturedSchema } from "./control/capture.ts";
import { explainedSchema } from "./control/explain.ts";
import { filesSchema } from "./control/files.ts";
import { hostsSchema, pairedHostSchema, pairParams } from "./control/hosts.ts";
import {
  countSchema,
  doctorSchema,
  migrationSummarySchema,
  nameSchema,
  pathSchema,
  progressSchema,
  statusSchema,
  workspaceStatusSchema,
} from "./control/status.ts";
import { uiLinkSchema } from "./control/web.ts";
import { sha256Schema } from "./generation.ts";
import { importPlanSchema, importSettings, MAX_LIBVIRT_CHARACTERS } from "./import.ts";
import { askedModeSchema, migrationModeSchema, migrationReportSchema } from "./report.ts";
import { MODEL_LEVEL } from "./residual/limits.ts";

export * from "./control/capture.ts";
export * from "./control/explain.ts";
export * from "./control/files.ts";
export * from "./control/hosts.ts";
export * from "./control/status.ts";
export * from "./control/web.ts";

/**
 * The control API: JSON messages over one WebSocket on the service's control socket. A client sends
 * `{id, method, params}` and gets any number of `{id, progress}` and then one `{id, result}` or `{id, error}`;
 * `{id, cancel: true}` stops a call, whose answer is then the error CANCELLED. Both ends check every message.
 */

/** Longest message either end accepts, in bytes. */
export const MAX_CONTROL_MESSAGE_BYTES = 1024 * 1024;
/** Calls one connection may have running at a time. */
export const MAX_RUNNING_CALLS = 64;
/** The WebSocket's path on the control socket. */
export const CONTROL_PATH = "/control/v1";

/** Sides of a thumbnail, in pixels. */
export const THUMBNAIL_WIDTH = { min: 64, usual: 320, max: 640 } as const;

/** Of a line of `homeward log`; what is longer is cut. */
export const LOG_LINE_CHARACTERS = 300;

export const logEntrySchema = z.strictObject({
  /** Milliseconds since the generation. */
  atMs: z.number(),
  /** One line for people. What was typed is in it only if that was asked for. */
  text: z.string().max(LOG_LINE_CHARACTERS),
});

/** What a clean-up removed, or, if it was only asked for (`dryRun`), would remove. */
export const collectedSchema = z.strictObject({
  dryRun: z.boolean(),
  removed: z
    .array(
      z.strictObject({
        kind: z.enum(["generation", "layer", "blob", "unfinished", "run-folder"]),
        name: z.string().max(300),
        /** On disk, or in memory for what is on a tmpfs. */
        bytes: countSchema,
      }),
    )
    .max(5000),
  /** Workspaces whose disk had too many layers, and how many. */
  merged: z.array(z.strictObject({ workspace: nameSchema, layers: countSchema })).max(1000),
  /** The generations that stay, and why; `bytes` without their disks, which share layers. */
  kept: z.array(z.strictObject({ root: sha256Schema, bytes: countSchema, why: z.array(z.string().max(200)).max(100) })).max(5000),
  /** Some of it waits for work that is under way. */
  postponed: z.boolean(),
});
export type Collected = z.output<typeof collectedSchema>;

const errorCodes = Object.keys(EXIT_STATUS) as [ErrorCode, ...ErrorCode[]];

/** What came of a push. */
export const pushResultSchema = z.strictObject({
  workspace: nameSchema,
  peer: nameSchema,
  root: sha256Schema,
  /** The other host held it already. */
  held: z.boolean(),
  /** What its files take on disk. */
  bytes: countSchema,
  /** Of those, what lay there from an earlier attempt when this one began. */
  landedBytes: countSchema,
  /** What crossed the link, both ways. */
  linkBytes: countSchema,
  seconds: z.number().nonnegative(),
});
export type PushResult = z.output<typeof pushResultSchema>;

export const checkResultSchema = z.strictObject({
  workspace: nameSchema,
  peer: nameSchema,
  /** All that is missing there, in the order in which it would be met. */
  missing: z.array(z.strictObject({ code: z.enum(errorCodes), message: z.string().max(4100), hint: z.string().max(1000).nullable() })).max(20),
});
export type CheckResult = z.output<typeof checkResultSchema>;

const workspaceParams = z.strictObject({ workspace: nameSchema });
const levelSchema = z.int().min(1).max(MODEL_LEVEL).optional();

/** Parameters and result of every method. */
export const controlMethods = {
  status: { params: z.strictObject({}), result: statusSchema },
  /** Answers with the status as soon as it differs from the one of `after`; at once if that is not given or not known any more. */
  watch: {
    params: z.strictObject({ after: countSchema.optional() }),
    result: z.strictObject({ revision: countSchema, status: statusSchema }),
  },
  /**
   * Makes a workspace from a guest folder (guest.json) or an exported generation (generation.json).
   * `owner`: null when this host owns it; otherwise the host that does, and only a generation may be given.
   * `hostLoopback`: its guest may reach what listens on this computer's loopback.
   * `verified`: the generation's RAM and disk were already checked against its root by the caller.
   */
  create: {
    params: z.strictObject({
      workspace: nameSchema,
      from: pathSchema,
      owner: nameSchema.nullable().default(null),
      verified: z.boolean().default(false),
      hostLoopback: z.boolean().default(false),
      accelerator: z.enum(["kvm", "tcg"]).optional(),
    }),
    result: workspaceStatusSchema,
  },
  /**
   * Makes a workspace from a disk image and guesses what is not given. `libvirt`: what "virsh dumpxml" printed; it may
   * name the image. `uefiVariables`: a file the firmware starts with. `dryRun`: nothing is made, `workspace` is null.
   */
  import: {
    params: z.strictObject({
      workspace: nameSchema,
      image: pathSchema.nullable().default(null),
      libvirt: z.string().max(MAX_LIBVIRT_CHARACTERS).nullable().default(null),
      uefiVariables: pathSchema.optional(),
      ...importSettings,
      hostLoopback: z.boolean().default(false),
      accelerator: z.enum(["kvm", "tcg"]).optional(),
      dryRun: z.boolean().default(false),
    }),
    result: z.strictObject({ plan: importPlanSchema, workspace: workspaceStatusSchema.nullable() }),
  },
  /** Makes this host the owner of a workspace whose owner is gone for good; without `confirmed` only says what would be lost. */
  takeover: {
    params: z.strictObject({ workspace: nameSchema, confirmed: z.boolean().default(false) }),
    result: z.strictObject({
      /** The owner so far. */
      owner: nameSchema,
      /** What was done there after this moment is lost. */
      since: z.iso.datetime(),
      ownerSeenAt: z.iso.datetime().nullable(),
      /** Null if it was not confirmed. */
      workspace: workspaceStatusSchema.nullable(),
    }),
  },
  /** Folders and disk images in the folder `dir` of this host (default: the user's home), to choose one for `import` or `create`. */
  files: { params: z.strictObject({ dir: pathSchema.nullable().default(null) }), result: filesSchema },
  delete: { params: workspaceParams, result: z.strictObject({}) },
  start: { params: workspaceParams, result: workspaceStatusSchema },
  suspend: { params: workspaceParams, result: workspaceStatusSchema },
  /** Makes a generation of the present state; a running machine runs on afterwards. `export`: a folder that must not exist. */
  seal: {
    params: z.strictObject({ workspace: nameSchema, export: pathSchema.optional() }),
    result: z.strictObject({ root: sha256Schema, workspace: workspaceStatusSchema }),
  },
  /** `powerdown` asks the guest and returns once the machine is off, or fails with TIMEOUT; `off` pulls the plug. */
  power: {
    params: z.strictObject({ workspace: nameSchema, action: z.enum(["reset", "powerdown", "off"]) }),
    result: workspaceStatusSchema,
  },
  /** Pauses the recording, at once, until "resume"; that one needs a running machine. */
  record: {
    params: z.strictObject({ workspace: nameSchema, action: z.enum(["pause", "resume"]) }),
    result: workspaceStatusSchema,
  },
  /** `path`: the console, which records what is done. `direct`: QEMU's own socket, where nothing is but what `capture` brings. */
  console: { params: workspaceParams, result: z.strictObject({ path: pathSchema, direct: pathSchema }) },
  /**
   * Lets this client bring, by `captured`, what the user does in a viewer that is connected to `direct`. Lasts until it is
   * cancelled, which is no error, or fails with why it is over: CONFLICT when a viewer is connected to the console.
   */
  capture: { params: workspaceParams, result: z.strictObject({ events: countSchema }) },
  captured: { params: capturedParams, result: capturedSchema },
  /**
   * A small picture of the screen. `png`: base64, null if it is still the one that the tag `unless` stands for, or if there
   * is none (`tag` is null too, then): the machine does not run, or its recording is paused for a private moment. `of`: the
   * machine's own screen, or, on the host that a migration leads to, the twin's and the recorded one it is waiting for.
   */
  thumbnail: {
    params: z.strictObject({
      workspace: nameSchema,
      of: z.enum(["machine", "twin", "recorded"]).default("machine"),
      width: z.int().min(THUMBNAIL_WIDTH.min).max(THUMBNAIL_WIDTH.max).default(THUMBNAIL_WIDTH.usual),
      unless: z.string().max(64).nullable().default(null),
    }),
    result: z.strictObject({ tag: z.string().max(64).nullable(), png: z.string().max(900_000).nullable() }),
  },
  /**
   * Moves the workspace to `peer`. `mode`: "auto" chooses when it is known what differs; `metered`: by bytes alone. `hold`: the
   * peer takes it but does not start it. `level`: of packing, null chooses.
   * `detached`: goes on when the client has gone, for pages that may be closed or loaded anew; `cancel` stops it.
   */
  migrate: {
    params: z.strictObject({
      workspace: nameSchema,
      peer: nameSchema,
      mode: askedModeSchema.default("replay"),
      metered: z.boolean().default(false),
      hold: z.boolean().default(false),
      level: levelSchema,
      detached: z.boolean().default(false),
    }),
    result: migrationReportSchema,
  },
  /** What moving the workspace to `peer` now would cost, from what earlier moves between the two took; null: not known yet. */
  estimate: {
    params: z.strictObject({ workspace: nameSchema, peer: nameSchema }),
    result: z.strictObject({
      estimate: z.strictObject({ bytes: countSchema, seconds: z.number().nonnegative() }).nullable(),
    }),
  },
  /**
   * Stops the migration of a workspace away from this host, or the laying down of its base, as if its own call were cancelled.
   * Its call says what came of it. What a laying down failed with is forgotten.
   */
  cancel: {
    params: z.strictObject({ workspace: nameSchema, of: z.enum(["migration", "push"]).default("migration") }),
    result: z.strictObject({}),
  },
  /**
   * Lays the workspace's base generation down on `peer`, which then knows the workspace as this host's. One that was cut off
   * goes on where it was. `bytesPerSecond`: sends no faster. `seal`: makes a generation first if there is none, `anew`: in any case. `detached`: goes on
   * when the client has gone; the workspace's status says how far it is, and what it failed with.
   */
  push: {
    params: z.strictObject({
      workspace: nameSchema,
      peer: nameSchema,
      bytesPerSecond: z.int().min(1024).optional(),
      seal: z.boolean().default(false),
      anew: z.boolean().default(false),
      detached: z.boolean().default(false),
    }),
    result: pushResultSchema,
  },
  /** Asks `peer` what keeps it from taking the workspace, or from holding its base generation; nothing is done. */
  check: {
    params: z.strictObject({
      workspace: nameSchema,
      peer: nameSchema,
      purpose: z.enum(["migration", "push"]),
      mode: migrationModeSchema.default("replay"),
      hold: z.boolean().default(false),
    }),
    result: checkResultSchema,
  },
  /** Rehearses moving the stored generation `root` (default: the workspace's base) from its parent; nothing is kept. */
  measure: {
    params: z.strictObject({
      workspace: nameSchema,
      root: sha256Schema.optional(),
      peer: nameSchema,
      mode: askedModeSchema.default("replay"),
      metered: z.boolean().default(false),
      level: levelSchema,
    }),
    result: migrationReportSchema,
  },
  /** The input log since the generation `root` (default: the workspace's base); in words; at most `limit` lines, the newest. */
  log: {
    params: z.strictObject({
      workspace: nameSchema,
      root: sha256Schema.optional(),
      limit: z.int().min(0).max(2000).default(200),
      /** What was typed, not only how much. */
      showText: z.boolean().default(false),
    }),
    result: z.strictObject({
      root: sha256Schema,
      segments: countSchema,
      bytes: countSchema,
      events: countSchema,
      durationMs: z.number().nonnegative(),
      entries: z.array(logEntrySchema).max(2000),
    }),
  },
  /** Migrations this host took part in, newest first, and the full report of `id` (default: the newest that has one). */
  report: {
    params: z.strictObject({ id: z.string().max(64).optional() }),
    result: z.strictObject({
      migrations: z.array(migrationSummarySchema).max(200),
      report: migrationReportSchema.nullable(),
    }),
  },
  /** Of what kinds the blocks were that the migration `id`, which this host sent, had to send. */
  explain: { params: z.strictObject({ id: z.string().max(64) }), result: explainedSchema },
  /** This host's ID, the hosts that it is paired with, what they hold, and strangers that knocked. `ask`: asks them now, also for their room. */
  hosts: { params: z.strictObject({ ask: z.boolean().default(false) }), result: hostsSchema },
  /** Makes a host known by its ID, or gives a known one of that name another address and other rights. */
  pair: { params: pairParams, result: pairedHostSchema },
  /** Ends the trust in a host, and its open connections. */
  unpair: { params: z.strictObject({ name: nameSchema }), result: pairedHostSchema },
  doctor: { params: z.strictObject({}), result: doctorSchema },
  /** Opens the pages for a browser or the desktop app, on 127.0.0.1 only. Over the control socket only. `port`: 0 for any. */
  ui: { params: z.strictObject({ port: z.int().min(0).max(65_535).default(0) }), result: uiLinkSchema },
  /** Removes generations, layers and leftovers that nobody needs, and merges long chains of layers. */
  gc: { params: z.strictObject({ dryRun: z.boolean().default(false) }), result: collectedSchema },
  /** Ends the service. "keep": machines run on and are adopted by the next service; "suspend"; "kill": plug pulled. */
  shutdown: {
    params: z.strictObject({ machines: z.enum(["suspend", "keep", "kill"]).default("keep") }),
    result: z.strictObject({}),
  },
} as const;

/** Short calls that were begun on purpose and are finished even if the one who asked has gone. */
export const FINISHED_WITHOUT_CLIENT: ReadonlySet<string> = new Set(["suspend", "power", "record", "delete", "shutdown"]);

export type ControlMethods = typeof controlMethods;
export type ControlMethod = keyof ControlMethods;
/** What a caller writes: defaults may be left out. */
export type ControlParams<M extends ControlMethod> = z.input<ControlMethods[M]["params"]>;
/** What the service works with: defaults filled in. */
export type ControlParsedParams<M extends ControlMethod> = z.output<ControlMethods[M]["params"]>;
export type ControlResult<M extends ControlMethod> = z.output<ControlMethods[M]["result"]>;

export function isControlMethod(name: string): name is ControlMethod {
  return Object.hasOwn(controlMethods, name);
}

const idSchema = z.int().nonnegative();

/** What a client sends. Params are checked against the method's own schema afterwards. */
export const clientMessageSchema = z.union([
  z.strictObject({ id: idSchema, method: z.string().max(64), params: z.unknown() }),
  z.strictObject({ id: idSchema, cancel: z.literal(true) }),
]);
export type ClientMessage = z.output<typeof clientMessageSchema>;

export const wireErrorSchema = z.strictObject({
  code: z.enum(errorCodes),
  message: z.string(),
  hint: z.string().nullable(),
  data: z.record(z.string(), z.unknown()),
});
export type WireError = z.output<typeof wireErrorSchema>;

/** What the service sends. Results are checked against the method's own schema afterwards. */
export const serviceMessageSchema = z.union([
  z.strictObject({ id: idSchema, progress: progressSchema }),
  z.strictObject({ id: idSchema, result: z.unknown() }),
  z.strictObject({ id: idSchema, error: wireErrorSchema }),
]);
export type ServiceMessage = z.output<typeof serviceMessageSchema>;

/** An error as it travels. Data that JSON cannot carry is dropped rather than failing the answer. */
export function toWireError(error: HomewardError): WireError {
  let data: Record<string, unknown> = {};
  try {
    data = z.record(z.string(), z.unknown()).parse(JSON.parse(JSON.stringify(error.data)));
  } catch {
    data = {};
  }
  return { code: error.code, message: error.message, hint: error.hint ?? null, data };
}

export function fromWireError(wire: WireError): HomewardError {
  return new HomewardError(wire.code, wire.message, {
    data: wire.data,
    ...(wire.hint === null ? {} : { hint: wire.hint }),
  });
}
