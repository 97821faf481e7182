import { zstdCompress } from "../common/zstd.ts";
import { BLOCK_BYTES } from "../syncer/index.ts";
import { FRAME_BLOCKS } from "../protocol/residual.ts";
import type { Kind } from "./kinds.ts";

/** What was found out about the blocks of one kind. */
export interface KindWeight {
  readonly kind: Kind;
  blocks: number;
  /** Their compressed size, each kind by itself. */
  bytes: number;
  /** Blocks that were zero before. */
  fresh: number;
  /** Bytes in which the others differ from what was there before. */
  changed: number;
  /** Blocks by finer name. */
  readonly parts: Map<string, number>;
}

/** Names that are kept apart, for each kind. */
const MAX_PARTS = 1000;
const ZERO = Buffer.alloc(BLOCK_BYTES);

interface Pending {
  readonly after: Buffer[];
  readonly before: Buffer[];
}

/** Adds up what blocks cost, kind by kind, compressed against the old contents of the same addresses as the exchange does. */
export class Weigher {
  readonly #level: number;
  readonly #weights = new Map<Kind, KindWeight>();
  readonly #pending = new Map<Kind, Pending>();

  /** @param level zstd level, 1 to 19 */
  constructor(level: number) {
    this.#level = level;
  }

  /** @param before, @param after one block each, copied */
  async add(kind: Kind, name: string | null, before: Buffer, after: Buffer): Promise<void> {
    const weight = this.#weights.get(kind) ?? { kind, blocks: 0, bytes: 0, fresh: 0, changed: 0, parts: new Map<string, number>() };
    this.#weights.set(kind, weight);
    weight.blocks++;
    if (before.equals(ZERO)) weight.fresh++;
    else weight.changed += differingBytes(before, after);
    if (name !== null && (weight.parts.has(name) || weight.parts.size < MAX_PARTS)) weight.parts.set(name, (weight.parts.get(name) ?? 0) + 1);
    const pending = this.#pending.get(kind) ?? { after: [], before: [] };
    this.#pending.set(kind, pending);
    pending.after.push(Buffer.from(after));
    pending.before.push(Buffer.from(before));
    if (pending.after.length === FRAME_BLOCKS) await this.#pack(weight, pending);
  }

  async #pack(weight: KindWeight, { before, after }: Pending): Promise<void> {
    const dictionary = before;
    const packed = await zstdCompress(Buffer.concat(after), { level: this.#level, dictionary });
    weight.bytes += packed.length;
    this.#pending.delete(weight.kind);
  }

  /** All kinds, the heaviest first. */
  async finish(): Promise<readonly KindWeight[]> {
    for (const [kind, pending] of this.#pending) {
      const weight = this.#weights.get(kind);
      if (weight !== undefined) await this.#pack(weight, pending);
    }
    return [...this.#weights.values()].sort((a, b) => b.bytes - a.bytes);
  }
}

function differingBytes(before: Buffer, after: Buffer): number {
  let differing = 0;
  for (let at = 0; at < after.length; at++) if (before[at] !== after[at]) differing++;
  return differing;
}
