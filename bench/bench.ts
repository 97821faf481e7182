import type { Line } from "./line.ts";

/** What a measurement is given. */
export interface BenchContext {
  /** Private and empty; removed afterwards. Its path is short enough for sockets. */
  readonly dir: string;
  readonly signal: AbortSignal;
  /** A line for people about what is being done. */
  readonly say: (text: string) => void;
  /** Undone afterwards, last first, whatever happens. */
  readonly cleanUp: (undo: () => Promise<void>) => void;
}

/** One part of the table, which can be run alone. */
export interface Bench {
  /** Typed by people. */
  readonly name: string;
  /** In one line. */
  readonly about: string;
  /** Left out when no name is given: it takes long. */
  readonly onRequest?: true;
  run(context: BenchContext): Promise<Line[]>;
}
