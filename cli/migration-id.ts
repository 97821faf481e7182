import { HomewardError } from "../common/errors.ts";
import type { MigrationSummary } from "../protocol/control.ts";

/** An id as the service knows it, from its first characters. @throws NOT_FOUND, or USAGE if several begin like that */
export function fullMigrationId(given: string, migrations: readonly MigrationSummary[]): string {
  const ids = migrations.map(({ id }) => id).filter((id) => id.startsWith(given));
  const [id] = ids;
  if (id === undefined)
    throw new HomewardError("NOT_FOUND", `this host knows of no migration ${given}`, {
      hint: `"homeward report --list" shows them.`,
    });
  if (ids.length > 1) throw new HomewardError("USAGE", `${ids.length} migrations begin with ${given}: give more of it`);
  return id;
}
