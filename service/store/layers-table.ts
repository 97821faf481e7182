import { randomUUID } from "node:crypto";
import { now, text, type Database } from "./database.ts";

/** Rows of the immutable disk images in layers/. The files themselves are put there by the Store. */
export class LayersTable {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** A name no layer has. */
  newId(): string {
    return randomUUID();
  }

  insert(id: string, bytes: number): void {
    this.#db.run("INSERT INTO layers (id, bytes, created_at) VALUES (?, ?, ?)", id, bytes, now());
  }

  ids(): string[] {
    return this.#db.all("SELECT id FROM layers").map((row) => text(row, "id"));
  }

  /** Those that nothing would refer to any more if these generations were gone. */
  unusedWithout(roots: ReadonlySet<string>): string[] {
    const used = new Set<string>();
    for (const row of this.#db.all("SELECT root, layer FROM generation_layers"))
      if (!roots.has(text(row, "root"))) used.add(text(row, "layer"));
    for (const row of this.#db.all("SELECT layer FROM workspace_layers")) used.add(text(row, "layer"));
    return this.ids().filter((id) => !used.has(id));
  }

  /** Removes the rows that no generation and no workspace refers to, and returns their ids. */
  dropUnused(): string[] {
    return this.#db
      .all(
        `DELETE FROM layers WHERE id NOT IN (SELECT layer FROM generation_layers)
           AND id NOT IN (SELECT layer FROM workspace_layers) RETURNING id`,
      )
      .map((row) => text(row, "id"));
  }
}
