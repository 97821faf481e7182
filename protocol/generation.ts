import { z } from "zod";
import { machineDefinitionSchema, type MachineDefinition } from "./machine.ts";

/** A SHA-256 in lower-case hexadecimal. */
export const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/, "not a SHA-256");

/** What a generation is: named by `root`, which binds the machine, both devices and the device state. */
export interface GenerationManifest {
  readonly format: 1;
  /** generationRoot() of the four parts below; the generation's name. */
  readonly root: string;
  readonly machine: MachineDefinition;
  /** Root of the Merkle tree over guest RAM (its length included). */
  readonly ramRoot: string;
  /** Root of the Merkle tree over the virtual disk (its length included). */
  readonly diskRoot: string;
  /** SHA-256 of QEMU's device state. */
  readonly deviceSha256: string;
  readonly deviceBytes: number;
  /** The generation that this one was made from, or null for the first of a workspace. */
  readonly parent: string | null;
  /** ISO 8601, UTC. Not part of the root. */
  readonly createdAt: string;
}

/** Device states are a few megabytes; the bound is what a delta of one may expand to. */
export const MAX_DEVICE_STATE_BYTES = 256 * 1024 * 1024;

export const generationManifestSchema: z.ZodType<GenerationManifest> = z.strictObject({
  format: z.literal(1),
  root: sha256Schema,
  machine: machineDefinitionSchema,
  ramRoot: sha256Schema,
  diskRoot: sha256Schema,
  deviceSha256: sha256Schema,
  deviceBytes: z.int().min(1).max(MAX_DEVICE_STATE_BYTES),
  parent: sha256Schema.nullable(),
  createdAt: z.iso.datetime(),
});
