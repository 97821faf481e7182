import { pairedHostSchema, rightsSchema, type PairedHost } from "../../protocol/control.ts";
import { now, stored, storedJson, text, textOrNull, type Database, type Row } from "./database.ts";

/** The hosts that this one was paired with. */
export class PairingsTable {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Adds a host, or gives one of the same name and ID another address and other rights. */
  put({ name, id, address, rights }: Pick<PairedHost, "name" | "id" | "address" | "rights">): void {
    this.#db.run(
      `INSERT INTO pairings (name, id, address, rights, paired_at) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE SET address = excluded.address, rights = excluded.rights`,
      name,
      id,
      address,
      JSON.stringify(rights),
      now(),
    );
  }

  /** False when there was none. */
  remove(name: string): boolean {
    return this.#db.run("DELETE FROM pairings WHERE name = ?", name) > 0;
  }

  noteSeen(name: string): void {
    this.#db.run("UPDATE pairings SET last_seen_at = ? WHERE name = ?", now(), name);
  }

  list(): PairedHost[] {
    return this.#db.all("SELECT * FROM pairings ORDER BY name").map(paired);
  }
}

/** @throws DAMAGED: rights that cannot be read are no reason to guess some */
function paired(row: Row): PairedHost {
  const name = text(row, "name");
  return stored(`pairing of ${name}`, pairedHostSchema, {
    name,
    id: text(row, "id"),
    address: text(row, "address"),
    rights: storedJson(row, "rights", rightsSchema),
    pairedAt: text(row, "paired_at"),
    lastSeenAt: textOrNull(row, "last_seen_at"),
  });
}
