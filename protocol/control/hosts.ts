import { z } from "zod";
import { nameSchema } from "./status.ts";

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

export const hostsSchema = z.strictObject({
  host: nameSchema,
  /** Of this host. */
  id: idSchema,
  /** HOST:PORT where this host takes connections over TLS; null for nowhere. */
  listen: addressSchema.nullable(),
  hosts: z.array(pairedHostSchema).max(1000),
  /** Newest first, since the service started. */
  pending: z.array(pendingHostSchema).max(20),
});
export type Hosts = Readonly<z.output<typeof hostsSchema>>;

export const pairParams = z.strictObject({
  /** As people type it. */
  id: z.string().max(200),
  address: addressSchema,
  name: nameSchema,
  rights: rightsSchema.default({ push: true, take: true, workspaces: null }),
});
