import { holdingSchema, type Holding } from "../../protocol/control.ts";
import { now, number, text, type Database, type Row } from "./database.ts";

type Held = Pick<Holding, "workspace" | "root" | "bytes" | "createdAt">;

/** Which generations other hosts hold, as far as this one knows: what it laid down there, and what they said. */
export class HoldingsTable {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** It holds this one. */
  note(host: string, { workspace, root, bytes, createdAt }: Held): void {
    this.#db.run(
      `INSERT INTO holdings (host, workspace, root, bytes, created_at, seen_at) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (host, workspace, root) DO UPDATE SET bytes = excluded.bytes, seen_at = excluded.seen_at`,
      host,
      workspace,
      root,
      bytes,
      createdAt,
      now(),
    );
  }

  /** It holds these and no others. */
  replace(host: string, held: readonly Held[]): void {
    this.#db.transaction(() => {
      this.#db.run("DELETE FROM holdings WHERE host = ?", host);
      for (const each of held) this.note(host, each);
    });
  }

  /** Hosts that hold a generation, by name. */
  holders(root: string): string[] {
    return this.#db
      .all("SELECT DISTINCT host FROM holdings WHERE root = ? ORDER BY host LIMIT 100", root)
      .map((row) => text(row, "host"));
  }

  /** By host and workspace, newest generation first. */
  list(limit = 2000): Holding[] {
    return this.#db
      .all("SELECT * FROM holdings ORDER BY host, workspace, created_at DESC LIMIT ?", limit)
      .map(toHolding);
  }
}

function toHolding(row: Row): Holding {
  return holdingSchema.parse({
    host: text(row, "host"),
    workspace: text(row, "workspace"),
    root: text(row, "root"),
    bytes: number(row, "bytes"),
    createdAt: text(row, "created_at"),
    seenAt: text(row, "seen_at"),
  });
}
