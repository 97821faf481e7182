import { z } from "zod";
import { EXIT_STATUS, HomewardError, type ErrorCode } from "../common/errors.ts";
import { sha256Schema } from "./generation.ts";
import { migrationModeSchema, migrationReportSchema } from "./report.ts";

/**
 * The control API: JSON messages over one WebSocket on the service's control socket. A client sends
 * `{id, method, params}` and gets any number of `{id, progress}` and then one `{id, result}` or `{id, error}`;
 * `{id, cancel: true}` stops a call, whose answer is then the error CANCELLED. Both ends check every message.
 */
export const CONTROL_VERSION = 1;
/** Longest message either end accepts, in bytes. */
export const MAX_CONTROL_MESSAGE_BYTES = 1024 * 1024;
/** Calls one connection may have running at a time. */
export const MAX_RUNNING_CALLS = 64;
/** The WebSocket's path on the control socket. */
export const CONTROL_PATH = "/control/v1";

/** A workspace's or host's name: it becomes a folder's name and is typed by people. */
export const nameSchema = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/, "a name is 1 to 32 lower-case letters, digits and inner hyphens");

const pathSchema = z
  .string()
  .min(1)
  .max(4096)
  .refine((path) => path.startsWith("/") && !path.includes("\0"), "an absolute path is needed");
const countSchema = z.int().nonnegative();
const timeSchema = z.iso.datetime();

export const progressSchema = z.strictObject({
  phase: z.string().max(100),
  done: z.number().nonnegative(),
  total: z.number().nonnegative().optional(),
  unit: z.enum(["bytes", "blocks", "steps", "ms"]),
  note: z.string().max(1000).optional(),
});

/** One migration as it is stored on each of its two ends. States are the migration protocol's; `error` is for people. */
export const migrationRowSchema = z.strictObject({
  id: z.string().min(1).max(64),
  workspace: nameSchema,
  role: z.enum(["source", "destination"]),
  kind: z.enum(["migration", "measurement"]),
  peer: nameSchema,
  mode: migrationModeSchema,
  state: z.string().min(1).max(32),
  base: sha256Schema,
  root: sha256Schema.nullable(),
  startedAt: timeSchema,
  updatedAt: timeSchema,
  error: z.string().max(4000).nullable(),
});
export type MigrationRow = Readonly<z.output<typeof migrationRowSchema>>;

/** The same in the list that `report` gives; both null for one that has no report, e.g. because it failed. */
export const migrationSummarySchema = migrationRowSchema.extend({
  /** Everything that crossed the link. */
  bytes: countSchema.nullable(),
  /** From the click to the usable machine. */
  seconds: z.number().nonnegative().nullable(),
});
export type MigrationSummary = Readonly<z.output<typeof migrationSummarySchema>>;

export const workspaceStateSchema = z.enum([
  "off",
  "running",
  "suspended",
  "paused-for-migration",
  "away",
  "busy",
]);
export type WorkspaceState = z.output<typeof workspaceStateSchema>;

export const workspaceStatusSchema = z.strictObject({
  name: nameSchema,
  /** "here", or the name of the host that may run it. */
  owner: z.string().min(1).max(32),
  state: workspaceStateSchema,
  /** What a busy workspace is busy with, e.g. "seal"; null otherwise. */
  doing: z.string().max(100).nullable(),
  /** Root of the generation its input log starts at; null before the first. */
  base: sha256Schema.nullable(),
  memoryBytes: countSchema,
  diskBytes: countSchema,
  /** Where the RAM of a running machine is; on "disk" the system writes it back all the time. Null when it does not run. */
  ramPlace: z.enum(["tmpfs", "disk"]).nullable(),
  /** Process id of its QEMU. */
  pid: countSchema.nullable(),
  /** Unix socket for a VNC viewer; null when the machine does not run. */
  console: pathSchema.nullable(),
  /** Input log since `base`; null before the first generation, when owned by another host, or when it cannot be read. */
  log: z
    .strictObject({
      events: countSchema,
      bytes: countSchema,
      /** Of recorded time, in which a suspended machine does not count. */
      durationMs: z.number().nonnegative(),
      recording: z.boolean(),
    })
    .nullable(),
  /** When `base` was made, and the other hosts that are known to have held it; null before the first. */
  generation: z.strictObject({ createdAt: timeSchema, holders: z.array(nameSchema).max(100) }).nullable(),
  /** What the machine has written to its disk since `base` takes up, in bytes; null when owned by another host. */
  writtenBytes: countSchema.nullable(),
  /** The newest migration of it that was reported; null before the first. */
  lastMove: z
    .strictObject({ from: nameSchema, to: nameSchema, finishedAt: timeSchema, bytes: countSchema, seconds: z.number().nonnegative() })
    .nullable(),
  migration: z.strictObject({ row: migrationRowSchema, progress: progressSchema.nullable() }).nullable(),
  /** Something the user should know, e.g. that the machine was found dead. */
  note: z.string().max(1000).nullable(),
});
export type WorkspaceStatus = Readonly<z.output<typeof workspaceStatusSchema>>;

export const statusSchema = z.strictObject({
  version: z.literal(CONTROL_VERSION),
  host: nameSchema,
  pid: countSchema,
  stateDir: pathSchema,
  /** What new machines will be run with, once it has been probed. */
  accelerator: z.enum(["kvm", "tcg"]).nullable(),
  listen: pathSchema.nullable(),
  peers: z.array(z.strictObject({ name: nameSchema, address: z.string().max(4096) })).max(1000),
  workspaces: z.array(workspaceStatusSchema).max(1000),
});
export type ServiceStatus = Readonly<z.output<typeof statusSchema>>;

export const doctorCheckSchema = z.strictObject({
  name: z.string().max(100),
  /** "warning": Homeward works, but not as well as it could; "problem": something does not work. */
  severity: z.enum(["ok", "warning", "problem"]),
  /** What was found, for people: a version, a size, "missing". */
  found: z.string().max(1000),
  /** What to do about it; null when it is fine. */
  hint: z.string().max(1000).nullable(),
  /** A command that mends it, or begins to; null where none does. */
  command: z.string().max(5000).nullable(),
});
export type DoctorCheck = Readonly<z.output<typeof doctorCheckSchema>>;
/** `ok`: there is no problem; there may be warnings. */
export const doctorSchema = z.strictObject({ ok: z.boolean(), checks: z.array(doctorCheckSchema).max(100) });

/** Of a line of `homeward log`; what is longer is cut. */
export const LOG_LINE_CHARACTERS = 300;

export const logEntrySchema = z.strictObject({
  /** Milliseconds since the generation. */
  atMs: z.number(),
  /** One line for people. Typed characters are in it: a log is as secret as what was typed. */
  text: z.string().max(LOG_LINE_CHARACTERS),
});

const workspaceParams = z.strictObject({ workspace: nameSchema });
const levelSchema = z.int().min(1).max(22).optional();

/** Parameters and result of every method. */
export const controlMethods = {
  status: { params: z.strictObject({}), result: statusSchema },
  /**
   * Makes a workspace from a guest folder (guest.json) or an exported generation (generation.json).
   * `owner`: null when this host owns it; otherwise the host that does, and only a generation may be given.
   * `verified`: the generation's RAM and disk were already checked against its root by the caller.
   */
  create: {
    params: z.strictObject({
      workspace: nameSchema,
      from: pathSchema,
      owner: nameSchema.nullable().default(null),
      verified: z.boolean().default(false),
      accelerator: z.enum(["kvm", "tcg"]).optional(),
    }),
    result: workspaceStatusSchema,
  },
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
  console: { params: workspaceParams, result: z.strictObject({ path: pathSchema }) },
  /** Moves the workspace to `peer`. `hold`: the peer takes it but does not start it. `level`: zstd, null chooses. */
  migrate: {
    params: z.strictObject({
      workspace: nameSchema,
      peer: nameSchema,
      mode: migrationModeSchema.default("replay"),
      hold: z.boolean().default(false),
      level: levelSchema,
    }),
    result: migrationReportSchema,
  },
  /** Rehearses moving the stored generation `root` (default: the workspace's base) from its parent; nothing is kept. */
  measure: {
    params: z.strictObject({
      workspace: nameSchema,
      root: sha256Schema.optional(),
      peer: nameSchema,
      mode: migrationModeSchema.default("replay"),
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
  doctor: { params: z.strictObject({}), result: doctorSchema },
  /** Ends the service. "keep": machines run on and are adopted by the next service; "suspend"; "kill": plug pulled. */
  shutdown: {
    params: z.strictObject({ machines: z.enum(["suspend", "keep", "kill"]).default("keep") }),
    result: z.strictObject({}),
  },
} as const;

/** Short calls that were begun on purpose and are finished even if the one who asked has gone. */
export const FINISHED_WITHOUT_CLIENT: ReadonlySet<string> = new Set(["suspend", "power", "delete", "shutdown"]);

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

const errorCodes = Object.keys(EXIT_STATUS) as [ErrorCode, ...ErrorCode[]];

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
