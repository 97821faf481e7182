import { z } from "zod";
import { sha256Schema } from "../generation.ts";
import { blockOriginsSchema, byteCountsSchema, migrationModeSchema } from "../report.ts";

/** What the control API says about a host: its workspaces, its migrations, its health. See ../control.ts. */

export const CONTROL_VERSION = 1;

/** A workspace's or host's name: it becomes a folder's name and is typed by people. */
export const nameSchema = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/, "a name is 1 to 32 lower-case letters, digits and inner hyphens");

/** A path that means the same to both ends. */
export const pathSchema = z
  .string()
  .min(1)
  .max(4096)
  .refine((path) => path.startsWith("/") && !path.includes("\0"), "an absolute path is needed");
export const countSchema = z.int().nonnegative();
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
  /** Its machine stands still, as there is no room for what it writes; it goes on by itself. Null: nothing keeps it from running. */
  stalled: z.enum(["disk-full"]).nullable(),
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
  /** What is under way: bytes over the connection so far, and where blocks come from once that was looked up. */
  migration: z
    .strictObject({
      row: migrationRowSchema,
      progress: progressSchema.nullable(),
      bytes: byteCountsSchema.nullable(),
      blocks: blockOriginsSchema.nullable(),
    })
    .nullable(),
  /** Its base is being laid down on `peer`, or, as the client that began it may have gone, could not be; null otherwise. */
  layDown: z
    .strictObject({
      peer: nameSchema,
      progress: progressSchema.nullable(),
      /** Null while it is under way. */
      error: z.strictObject({ message: z.string().max(4000), hint: z.string().max(1000).nullable() }).nullable(),
    })
    .nullable(),
  /** The user has paused the recording: nothing is recorded until it is resumed. */
  recordingPaused: z.boolean(),
  /** Its guest may reach what listens on this computer's loopback. */
  hostLoopback: z.boolean(),
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
  /** Unix socket for other hosts. */
  listen: pathSchema.nullable(),
  /** HOST:PORT for paired hosts. */
  listenTls: z.string().max(300).nullable(),
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
/** `ok`: there is no problem; there may be warnings. `mended`: what was done first, a sentence each. */
export const doctorSchema = z.strictObject({
  ok: z.boolean(),
  mended: z.array(z.string().max(10_000)).max(1000),
  checks: z.array(doctorCheckSchema).max(100),
});
