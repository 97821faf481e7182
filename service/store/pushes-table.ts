import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { generationManifestSchema, type GenerationManifest } from "../../protocol/generation.ts";
import { pushFileSchema, pushFilesSchema, type PushedFile } from "../../protocol/push.ts";
import { now, storedJson, text, type Database, type Row } from "./database.ts";

/** A generation that another host is laying down here, or began to; at most one of each workspace. */
export interface PushRow {
  readonly workspace: string;
  readonly peer: string;
  readonly manifest: GenerationManifest;
  readonly files: readonly PushedFile[];
  /** Names of the files that landed whole. */
  readonly landed: readonly string[];
  readonly updatedAt: string;
}

/** Unfinished pushes to this host. While there is a row, its folder in incoming/ is kept. */
export class PushesTable {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  get(workspace: string): PushRow | null {
    const row = this.#db.get("SELECT * FROM pushes WHERE workspace = ?", workspace);
    return row === null ? null : toRow(row);
  }

  list(): PushRow[] {
    return this.#db.all("SELECT * FROM pushes ORDER BY started_at").map(toRow);
  }

  /** Begins one, or goes on with it: what landed of the very same files counts. */
  begin(push: Omit<PushRow, "landed" | "updatedAt">): PushRow {
    const { workspace, peer, manifest, files } = push;
    return this.#db.transaction(() => {
      const known = this.get(workspace);
      const isSame = known?.peer === peer && known.manifest.root === manifest.root && isDeepStrictEqual(known.files, files);
      const landed = isSame ? known.landed : [];
      this.#db.run("DELETE FROM pushes WHERE workspace = ?", workspace);
      const time = now();
      this.#db.run(
        "INSERT INTO pushes (workspace, peer, manifest, files, landed, started_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        workspace,
        peer,
        JSON.stringify(manifest),
        JSON.stringify(files),
        JSON.stringify(landed),
        time,
        time,
      );
      return { ...push, landed, updatedAt: time };
    });
  }

  noteLanded(workspace: string, landed: readonly string[]): void {
    this.#db.run("UPDATE pushes SET landed = ?, updated_at = ? WHERE workspace = ?", JSON.stringify(landed), now(), workspace);
  }

  delete(workspace: string): void {
    this.#db.run("DELETE FROM pushes WHERE workspace = ?", workspace);
  }
}

function toRow(row: Row): PushRow {
  return {
    workspace: text(row, "workspace"),
    peer: text(row, "peer"),
    manifest: storedJson(row, "manifest", generationManifestSchema),
    files: storedJson(row, "files", pushFilesSchema),
    landed: storedJson(row, "landed", z.array(pushFileSchema)),
    updatedAt: text(row, "updated_at"),
  };
}
