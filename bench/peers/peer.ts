import { stat } from "node:fs/promises";
import { HomewardError } from "../../common/errors.ts";
import { run } from "../../common/spawn.ts";
import { computedTimes, type Row } from "./method.ts";
import type { Use } from "./process-tree.ts";
import type { States } from "./states.ts";
import { timed, type TimedOptions } from "./timed.ts";

/** What a peer is given. */
export interface PeerContext {
  readonly states: States;
  /** Bytes of the input log: what a replay at the destination costs on the line. */
  readonly logBytes: number;
  /** Empty, its own, removed afterwards. */
  readonly dir: string;
  readonly signal: AbortSignal;
}

/** A way to bring the new state to where the old one is. */
export interface Peer {
  /** Typed by people. */
  readonly name: string;
  run(context: PeerContext): Promise<Row[]>;
}

/** What a program did that made a file which crosses, and another that used it. */
export interface Crossing {
  readonly method: string;
  readonly bytes: number;
  readonly encode: Use;
  readonly decode: Use;
  /** See `computedTimes`. */
  readonly streams: boolean;
  readonly identical: boolean;
  readonly note?: string;
}

export function crossingRow({ method, bytes, encode, decode, streams, identical, note = "" }: Crossing): Row {
  return {
    method,
    bytes,
    times: computedTimes({ bytes, encodeCpuS: encode.cpuS, decodeCpuS: decode.cpuS, streams }),
    cpu_s: encode.cpuS + decode.cpuS,
    peak_bytes: Math.max(encode.peakBytes, decode.peakBytes),
    identical,
    note,
  };
}

export async function fileBytes(path: string): Promise<number> {
  return (await stat(path)).size;
}

/** Whether two files are the same, as cmp says. */
export async function sameFiles(a: string, b: string, signal: AbortSignal): Promise<boolean> {
  try {
    await run("cmp", ["--silent", "--", a, b], { signal });
    return true;
  } catch (error) {
    if (error instanceof HomewardError && error.code === "GUEST") return false;
    throw error;
  }
}

/** Runs a program in the peer's folder. */
export function inFolder({ dir, signal }: PeerContext, command: readonly string[], options: Partial<TimedOptions> = {}): Promise<Use> {
  return timed(command, { scratch: `${dir}/.run`, signal, cwd: dir, ...options });
}
