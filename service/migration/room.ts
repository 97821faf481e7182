import { HomewardError } from "../../common/errors.ts";
import type { Message } from "../../protocol/wire/messages.ts";

type Offer = Pick<Message<"offer">, "workspace" | "machine" | "mode" | "hold" | "kind" | "overlay_bytes" | "device_bytes">;

/** What must stay free after everything was received. */
const SPARE_BYTES = 64 * 1024 * 1024;

/** Bytes that a host has left. */
export interface FreeRoom {
  readonly disk: number;
  readonly memory: number;
}

/**
 * Whether a host has room for what is offered. A twin is only there to save bytes: where there is room for the workspace
 * but not for a twin beside it, the replay is left out instead of the whole move.
 * @returns why no twin may run, one sentence; null when one may
 * @throws NO_ROOM when there is not even room for the workspace itself
 */
export function requireRoom(offer: Offer, host: string, free: FreeRoom): string | null {
  const { workspace, machine, mode, hold, kind, overlay_bytes, device_bytes } = offer;
  const copy = machine.memoryBytes + overlay_bytes;
  const needed = copy + device_bytes + SPARE_BYTES;
  if (free.disk < needed)
    throw new HomewardError("NO_ROOM", `${host} has too little disk space for ${workspace}`, {
      hint: `Free ${megabytes(needed - free.disk)} on ${host}.`,
      data: { needed, free: free.disk },
    });
  // A machine that cannot run where it goes is better left where it can.
  const runs = kind === "migration" && !hold;
  if (runs && free.memory < machine.memoryBytes)
    throw new HomewardError("NO_ROOM", `${host} has too little memory free to run ${workspace}`, {
      hint: `Close something on ${host}, ${megabytes(machine.memoryBytes - free.memory)} are missing; or move it without starting it there, with --hold.`,
      data: { needed: machine.memoryBytes, free: free.memory },
    });
  if (mode === "overlay") return null;
  // It writes about as much to its disk as the source did, and its RAM may have to go there too.
  if (free.disk < needed + copy) return left(host, "disk space", needed + copy - free.disk);
  if (free.memory < machine.memoryBytes) return left(host, "memory", machine.memoryBytes - free.memory);
  return null;
}

/** A generation is not started, but one that never can be is of no use. */
export function tooLittleMemory(host: string, workspace: string, needed: number, total: number): HomewardError {
  return new HomewardError("NO_ROOM", `${host} has too little memory to run ${workspace}`, {
    hint: `It has ${megabytes(total)} in all, and ${megabytes(needed)} are needed.`,
    data: { needed, total },
  });
}

/** Trees and block hashes: 40 bytes for 64 KiB and 8 for 4 KiB, in the worst case. */
const HASHES_SHARE = 1 / 256;

/**
 * @param landed bytes that lie there already
 * @throws NO_ROOM if a host has too little room for a generation that is laid down there
 */
export function requireRoomToLand(
  { workspace, overlay_bytes }: Pick<Offer, "workspace" | "overlay_bytes">,
  host: string,
  free: FreeRoom,
  landed: number,
): void {
  const needed = Math.max(0, overlay_bytes - landed) + Math.ceil(overlay_bytes * HASHES_SHARE) + SPARE_BYTES;
  if (free.disk >= needed) return;
  throw new HomewardError("NO_ROOM", `${host} has too little disk space for ${workspace}`, {
    hint: `Free ${megabytes(needed - free.disk)} on ${host}.`,
    data: { needed, free: free.disk },
  });
}

function left(host: string, what: string, missing: number): string {
  return `the replay was left out: ${host} has ${megabytes(missing)} of ${what} too little for it`;
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}
