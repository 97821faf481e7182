import { rm } from "node:fs/promises";
import { HomewardError } from "../common/errors.ts";
import type { Progress } from "../common/progress.ts";
import type { Explained } from "../protocol/control.ts";
import type { MigrationReport } from "../protocol/report.ts";
import { MOST_ZSTD_LEVEL } from "../protocol/residual.ts";
import { explainBlocks, KIND_TEXTS, type KindWeight } from "../explain/index.ts";
import { BLOCK_BYTES, openFileBlocks, type BlockDevice } from "../syncer/index.ts";
import { openDisk } from "../vm/disk-blocks.ts";
import type { ServiceContext } from "./context.ts";
import { ClosingStack } from "./migration/closing-stack.ts";
import type { GenerationRecord } from "./store/generations-store.ts";

/** Names of each kind that are told apart; the rest goes without. */
const PARTS_SHOWN = 12;

interface Call {
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** The report of a migration that this host sent. @throws NOT_FOUND, CONFLICT */
function sentReport({ store, hostName }: ServiceContext, id: string): MigrationReport {
  const row = store.migrations.get(id);
  if (row === null) throw new HomewardError("NOT_FOUND", `this host knows of no migration ${id}`, { hint: '"homeward report --list" shows them.' });
  if (row.role !== "source")
    throw new HomewardError("CONFLICT", `migration ${id.slice(0, 8)} came to ${hostName}: what was sent is known to ${row.peer}`, {
      hint: `On ${row.peer}: homeward explain ${id.slice(0, 8)}`,
    });
  const report = store.migrations.report(id);
  if (report === null) throw new HomewardError("CONFLICT", `migration ${id.slice(0, 8)} was not carried through: ${row.state}`);
  return report;
}

/** @throws NOT_FOUND with what became of it */
function requireKept(ctx: ServiceContext, root: string, which: string): GenerationRecord {
  const generation = ctx.store.generations.get(root);
  if (generation !== null) return generation;
  throw new HomewardError("NOT_FOUND", `generation ${root.slice(0, 12)}, ${which}, has been removed from this host`, {
    hint: "Generations are kept for the newest migrations of a workspace; explain one of those.",
    data: { root },
  });
}

function kindOf({ kind, blocks, bytes, fresh, changed, parts }: KindWeight): Explained["kinds"][number] {
  const named = [...parts].sort(([, a], [, b]) => b - a).slice(0, PARTS_SHOWN);
  return { kind, ...KIND_TEXTS[kind], blocks, bytes, fresh, changed, parts: named.map(([name, count]) => ({ name, blocks: count })) };
}

/**
 * Says of what kinds the blocks were that a migration of this host sent, from the two generations that it lay between.
 * @throws NOT_FOUND when the migration, its list or a generation is not there (any more), CONFLICT when this host did not send it
 */
export async function explainMigration(ctx: ServiceContext, id: string, { signal, progress }: Call): Promise<Explained> {
  const report = sentReport(ctx, id);
  const base = requireKept(ctx, report.base_root, "which the migration began with");
  const moved = requireKept(ctx, report.root_source, "which the migration moved");
  const { memoryBytes, diskBytes } = moved.manifest.machine;
  const shipped = await ctx.store.shipped.read(id, { ram: memoryBytes / BLOCK_BYTES, disk: diskBytes / BLOCK_BYTES });
  if (shipped === null)
    throw new HomewardError("NOT_FOUND", `which blocks migration ${id.slice(0, 8)} sent was not noted`, {
      hint: "Migrations that ended before this version, or while the service was stopped, have no list.",
    });
  const held = [base, moved].map(({ root }) => ctx.store.generations.hold(root));
  const run = await ctx.runDirs.scratch();
  const closing = new ClosingStack();
  try {
    const disk = async ({ layers }: GenerationRecord): Promise<BlockDevice> => closing.add(await openDisk(layers, { writable: false, runDir: run.dir, signal }));
    const ram = async ({ ramPath }: GenerationRecord): Promise<BlockDevice> => closing.add(await openFileBlocks(ramPath));
    const level = Math.min(MOST_ZSTD_LEVEL, report.level);
    const { by, kinds } = await explainBlocks({
      ram: { before: await ram(base), after: await ram(moved), blocks: shipped.ram },
      disk: { before: await disk(base), after: await disk(moved), blocks: shipped.disk },
      level,
      progress,
      signal,
    });
    return { id, workspace: report.workspace, by, level, residualBytes: report.bytes.residual, kinds: kinds.map(kindOf) };
  } finally {
    await closing.close();
    for (const letGo of held) letGo();
    await rm(run.dir, { recursive: true, force: true });
  }
}
