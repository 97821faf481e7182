import type { WorkspaceStatus } from "../../../../protocol/control.ts";

export type Migration = NonNullable<WorkspaceStatus["migration"]>;

const BLOCK_BYTES = 4096;
/** Then every other one is dropped, so that a long move is kept as well as a short one. */
const MAX_SAMPLES = 600;

/** Bytes by where they come from, so far. */
export interface Origins {
  /** In the generation, which the other host holds. */
  readonly home: number;
  readonly replayed: number;
  /** Everything that crossed the connection. */
  readonly sent: number;
}

export interface Sample extends Origins {
  /** Seconds since the move began. */
  readonly atS: number;
}

export function originsOf({ bytes, blocks }: Pick<Migration, "bytes" | "blocks">): Origins {
  return { home: (blocks?.generation ?? 0) * BLOCK_BYTES, replayed: (blocks?.twin ?? 0) * BLOCK_BYTES, sent: bytes?.total ?? 0 };
}

/** The samples with one more, unless nothing has changed. */
export function withSample(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  const last = samples.at(-1);
  if (last !== undefined && last.sent === sample.sent && last.home === sample.home && last.replayed === sample.replayed) return samples;
  const kept = samples.length < MAX_SAMPLES ? samples : samples.filter((_, i) => i % 2 === 0);
  return [...kept, sample];
}
