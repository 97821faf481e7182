import type { Epoch } from "../../../protocol/epoch.ts";
import { FINAL_MIGRATION_STATES } from "../../../service/store/migrations-table.ts";

/** What two hosts that move one workspace between them have, and have said. */
export type Name = "A" | "B";

const FINAL: ReadonlySet<string> = new Set(FINAL_MIGRATION_STATES);

/** Content of files that were not synced when the power went. */
export const GARBAGE = -1;

export interface Database {
  owner: Name;
  workspace: "runs" | "paused" | "still";
  /** 0, or 2 × number + which host began it. */
  epoch: number;
  /** The other host has still to be told of the takeover. */
  fencing: boolean;
  /** Work of the newest generation that is held here. */
  base: number;
  /** Work that was set aside because the other host took the workspace over. */
  returned: number[];
  /** State of this host's end of each attempt. */
  rows: Record<string, string>;
}
export interface Files {
  /** Saved state of a machine that stands still; null before. */
  saved: number | null;
  /** What was built of each attempt. */
  built: Record<string, number>;
}
export interface Disk {
  db: Database;
  files: Files;
}
export interface Host {
  /** What the machine's disk and memory hold, each number being another piece of work. */
  content: number;
  written: Disk;
  synced: Disk;
  /** Steps under way, `step:attempt`. */
  todo: string[];
}
export interface World {
  hosts: Record<Name, Host>;
  /** Everything that was ever said, `message:attempt`. */
  said: string[];
  /** Source of each attempt. */
  attempts: Name[];
  /** The newest work. */
  head: number;
  /** The newest work of each epoch, as long as no later one goes on from it. */
  heads: Record<string, number>;
  /** In which epoch each attempt was begun. */
  epochs: number[];
  takeovers: number;
}

export interface Bounds {
  readonly attempts: number;
  readonly work: number;
  readonly takeovers: number;
  /** How hosts crash. */
  readonly losses: readonly Loss[];
}

/** "killed" leaves what was written, a power cut only what was synced. */
export type Loss = "killed" | "power cut";

export function disk(owner: Name, workspace: Database["workspace"]): Disk {
  return { db: { owner, workspace, epoch: 0, fencing: false, base: 0, returned: [], rows: {} }, files: { saved: null, built: {} } };
}

export function host(owner: Name, workspace: Database["workspace"]): Host {
  return { content: 0, written: disk(owner, workspace), synced: disk(owner, workspace), todo: [] };
}

/** A copy that shares nothing that is ever changed. */
export function copyDisk({ db, files }: Disk): Disk {
  return { db: { ...db, rows: { ...db.rows } }, files: { ...files, built: { ...files.built } } };
}

export function copyHost({ written, synced, todo, ...rest }: Host): Host {
  return { ...rest, written: copyDisk(written), synced: copyDisk(synced), todo: [...todo] };
}

export function asEpoch(epoch: number): Epoch {
  return { number: Math.floor(epoch / 2), by: epoch === 0 ? null : epoch % 2 === 0 ? "a" : "b" };
}

export function other(name: Name): Name {
  return name === "A" ? "B" : "A";
}

export const NAMES: readonly Name[] = ["A", "B"];
/** Messages that the source of an attempt sends; the others are the destination's. */
export const FROM_SOURCE = new Set(["offer", "index", "residual", "release", "released", "kept", "unknown", "fence"]);

/** Nothing is left to be done about an attempt in this state. */
export function isOver(state: string): boolean {
  return FINAL.has(state);
}
