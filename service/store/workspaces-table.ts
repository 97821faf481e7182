import { randomBytes } from "node:crypto";
import { HomewardError } from "../../common/errors.ts";
import { z } from "zod";
import { nameSchema } from "../../protocol/control.ts";
import { epochSchema, type Epoch } from "../../protocol/epoch.ts";
import { sha256Schema } from "../../protocol/generation.ts";
import { machineDefinitionSchema, type MachineDefinition } from "../../protocol/machine.ts";
import { now, storedJson, text, textOrNull, type Database, type Row } from "./database.ts";

export type StoredState = "off" | "running" | "suspended" | "paused-for-migration" | "away";
/** What `start` begins with: power on, the saved state in the workspace's folder, or its base generation. */
export type ResumeFrom = "boot" | "saved" | "generation";

export interface WorkspaceRow {
  readonly name: string;
  /** Short and unique on this host; names its run folder. */
  readonly id: string;
  /** Name of the host that may run it; null for this one. */
  readonly owner: string | null;
  readonly base: string | null;
  readonly machine: MachineDefinition;
  readonly state: StoredState;
  readonly resumeFrom: ResumeFrom;
  /** RAM file of the running machine; null when it does not run. */
  readonly ramPath: string | null;
  readonly note: string | null;
  /** Nothing is recorded until the user says so. */
  readonly recordingPaused: boolean;
  /** Its guest may reach what listens on this computer's loopback. */
  readonly hostLoopback: boolean;
  readonly epoch: Epoch;
  /** The host that it was taken over from, as long as that has not been told, and with which generation; else null. */
  readonly fencing: { readonly host: string; readonly root: string } | null;
  /** While it gets another name because it was taken over: what becomes of the old one; else null. */
  readonly fenced: Fenced | null;
  /** Ids of the layers under its own overlay, top first. */
  readonly layers: readonly string[];
}

const fencingSchema = z.strictObject({ host: nameSchema, root: sha256Schema });
const fencedSchema = z.strictObject({ from: nameSchema, owner: nameSchema, epoch: epochSchema, root: sha256Schema });
export type Fenced = Readonly<z.output<typeof fencedSchema>>;

export type NewWorkspace = Omit<
  WorkspaceRow,
  "id" | "ramPath" | "note" | "recordingPaused" | "hostLoopback" | "epoch" | "fencing" | "fenced"
> & { readonly hostLoopback?: boolean };
export type WorkspaceChange = Partial<Omit<WorkspaceRow, "name" | "id" | "hostLoopback">>;

/** Durable facts about each workspace. A change is on disk when the call returns. */
export class WorkspacesTable {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  #toRow(row: Row): WorkspaceRow {
    const name = text(row, "name");
    const layers = this.#db.all("SELECT layer FROM workspace_layers WHERE workspace = ? ORDER BY position", name);
    return {
      name,
      id: text(row, "id"),
      owner: textOrNull(row, "owner"),
      base: textOrNull(row, "base"),
      machine: storedJson(row, "machine", machineDefinitionSchema),
      // The table's own CHECK admits nothing else.
      state: text(row, "state") as StoredState,
      resumeFrom: text(row, "resume_from") as ResumeFrom,
      ramPath: textOrNull(row, "ram_path"),
      note: textOrNull(row, "note"),
      recordingPaused: row["recording_paused"] === 1,
      hostLoopback: row["host_loopback"] === 1,
      epoch: epochSchema.parse({ number: row["epoch"], by: textOrNull(row, "epoch_by") }),
      fencing: fencingSchema.nullable().parse(json(row, "fencing")),
      fenced: fencedSchema.nullable().parse(json(row, "fenced")),
      layers: layers.map((layer) => text(layer, "layer")),
    };
  }

  /** @throws CONFLICT if there is one of that name */
  insert(workspace: NewWorkspace): WorkspaceRow {
    return this.#db.transaction(() => {
      if (this.get(workspace.name) !== null)
        throw new HomewardError("CONFLICT", `there is a workspace named ${workspace.name} already`);
      const time = now();
      this.#db.run(
        `INSERT INTO workspaces (name, id, owner, base, machine, state, resume_from, host_loopback, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        workspace.name,
        randomBytes(4).toString("hex"),
        workspace.owner,
        workspace.base,
        JSON.stringify(workspace.machine),
        workspace.state,
        workspace.resumeFrom,
        workspace.hostLoopback === true ? 1 : 0,
        time,
        time,
      );
      this.#setLayers(workspace.name, workspace.layers);
      return this.require(workspace.name);
    });
  }

  #setLayers(name: string, layers: readonly string[]): void {
    this.#db.run("DELETE FROM workspace_layers WHERE workspace = ?", name);
    for (const [position, layer] of layers.entries())
      this.#db.run(
        "INSERT INTO workspace_layers (workspace, position, layer) VALUES (?, ?, ?)",
        name,
        position,
        layer,
      );
  }

  /** Changes what is given and leaves the rest. @throws NOT_FOUND */
  update(name: string, change: WorkspaceChange): WorkspaceRow {
    return this.#db.transaction(() => {
      const after = { ...this.require(name), ...change };
      this.#db.run(
        `UPDATE workspaces SET owner = ?, base = ?, machine = ?, state = ?, resume_from = ?, ram_path = ?, note = ?,
           recording_paused = ?, epoch = ?, epoch_by = ?, fencing = ?, fenced = ?, updated_at = ? WHERE name = ?`,
        after.owner,
        after.base,
        JSON.stringify(after.machine),
        after.state,
        after.resumeFrom,
        after.ramPath,
        after.note,
        after.recordingPaused ? 1 : 0,
        after.epoch.number,
        after.epoch.by,
        after.fencing === null ? null : JSON.stringify(after.fencing),
        after.fenced === null ? null : JSON.stringify(after.fenced),
        now(),
        name,
      );
      if (change.layers !== undefined) this.#setLayers(name, change.layers);
      return this.require(name);
    });
  }

  /** The same workspace under another name. @throws NOT_FOUND, CONFLICT */
  rename(name: string, to: string, change: WorkspaceChange): WorkspaceRow {
    return this.#db.transaction(() => {
      const { id, ...before } = this.require(name);
      this.delete(name);
      this.insert({ ...before, name: to });
      this.#db.run("UPDATE workspaces SET id = ? WHERE name = ?", id, to);
      return this.update(to, { ...before, ...change });
    });
  }

  get(name: string): WorkspaceRow | null {
    const row = this.#db.get("SELECT * FROM workspaces WHERE name = ?", name);
    return row === null ? null : this.#toRow(row);
  }

  /** @throws NOT_FOUND */
  require(name: string): WorkspaceRow {
    const row = this.get(name);
    if (row === null)
      throw new HomewardError("NOT_FOUND", `there is no workspace named ${name} on this host`, {
        hint: `"homeward status" lists them.`,
      });
    return row;
  }

  list(): WorkspaceRow[] {
    return this.#db.all("SELECT * FROM workspaces ORDER BY name").map((row) => this.#toRow(row));
  }

  delete(name: string): void {
    this.#db.run("DELETE FROM workspaces WHERE name = ?", name);
  }
}

function json(row: Row, column: string): unknown {
  const found = textOrNull(row, column);
  return found === null ? null : JSON.parse(found);
}
