import { z } from "zod";
import { sha256Schema } from "../generation.ts";
import { countSchema, nameSchema } from "./status.ts";

/** What the control API says about other hosts and what they may do. See ../control.ts. */

const timeSchema = z.iso.datetime();
const idSchema = z.string().length(63);
const addressSchema = z.string().min(3).max(300);

/** What a paired host may do. */
export const rightsSchema = z.strictObject({
  /** It may move workspaces to this host. */
  push: z.boolean(),
  /** Workspaces may be moved from this host to it. */
  take: z.boolean(),
  /** Only these; null for all. */
  workspaces: z.array(nameSchema).max(100).nullable(),
});
export type Rights = Readonly<z.output<typeof rightsSchema>>;

/** A host whose certificate this one knows. */
export const pairedHostSchema = z.strictObject({
  name: nameSchema,
  id: idSchema,
  /** HOST:PORT, or ssh://[USER@]HOST[:PORT] */
  address: addressSchema,
  rights: rightsSchema,
  pairedAt: timeSchema,
  lastSeenAt: timeSchema.nullable(),
});
export type PairedHost = Readonly<z.output<typeof pairedHostSchema>>;

/** A host that connected, proved to have the key of a certificate, and was sent away because nobody paired it. */
export const pendingHostSchema = z.strictObject({ id: idSchema, address: addressSchema, seenAt: timeSchema });
export type PendingHost = Readonly<z.output<typeof pendingHostSchema>>;

/** A generation that another host holds, as far as this one knows. */
export const holdingSchema = z.strictObject({
  host: nameSchema,
  workspace: nameSchema,
  root: sha256Schema,
  /** On that host's disk. */
  bytes: countSchema,
  /** When the generation was made. */
  createdAt: timeSchema,
  /** When this host last knew for sure. */
  seenAt: timeSchema,
});
export type Holding = Readonly<z.output<typeof holdingSchema>>;

const hostRoomSchema = z.strictObject({
  host: nameSchema,
  diskBytes: countSchema,
  memoryBytes: countSchema,
  /** How far the time that it said was ahead of this host's when it came, null if it said none, and how long a ping took, milliseconds. */
  clock: z.strictObject({ aheadMs: z.number().nullable(), roundTripMs: z.number().nonnegative() }).nullable().default(null),
});

export const hostsSchema = z.strictObject({
  host: nameSchema,
  /** Of this host. */
  id: idSchema,
  /** HOST:PORT where this host takes connections over TLS; null for nowhere. */
  listen: addressSchema.nullable(),
  hosts: z.array(pairedHostSchema).max(1000),
  /** Newest first, since the service started. */
  pending: z.array(pendingHostSchema).max(20),
  /** By host and workspace, newest generation first. */
  holdings: z.array(holdingSchema).max(2000),
  /** What the hosts that were asked have free for others. */
  rooms: z.array(hostRoomSchema).max(1000),
  /** Hosts that were to be asked what they hold and did not answer. */
  silent: z.array(nameSchema).max(1000),
});
export type HostRoom = Hosts["rooms"][number];
export type Hosts = Readonly<z.output<typeof hostsSchema>>;

export const pairParams = z.strictObject({
  /** As people type it. */
  id: z.string().max(200),
  address: addressSchema,
  name: nameSchema,
  rights: rightsSchema.default({ push: true, take: true, workspaces: null }),
});
