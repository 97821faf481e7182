import type { AllocationMeter } from "./allocations.ts";
import { minimise } from "./minimise.ts";
import type { FuzzedParser } from "./parser.ts";
import { randomFrom } from "./random.ts";
import { inputOf, tryInput } from "./trial.ts";

export interface FuzzOptions {
  readonly seed: number;
  /** Number of the first input. */
  readonly from: number;
  readonly inputs: number;
}

export interface FuzzFailure {
  readonly index: number;
  readonly what: string;
  readonly detail: string;
  /** Minimised, hexadecimal. */
  readonly input: string;
}

export interface FuzzResult {
  readonly parser: string;
  readonly inputs: number;
  readonly accepted: number;
  readonly refused: number;
  /** The first of each kind. */
  readonly failures: readonly FuzzFailure[];
  /** Ways in which inputs failed that are not listed any more. */
  readonly more: number;
}

const MAX_FAILURES = 5;

/** Runs a parser over inputs that follow from the seed and their numbers alone. */
export async function fuzz(
  parser: FuzzedParser,
  { seed, from, inputs }: FuzzOptions,
  meter: AllocationMeter | null,
  onInput: (index: number) => void = () => undefined,
): Promise<FuzzResult> {
  const valid = await parser.valid(randomFrom(parser.name, seed, "valid"));
  const bases = [...valid, ...(parser.refused ?? [])];
  const failures = new Map<string, FuzzFailure>();
  const others = new Set<string>();
  let [accepted, refused] = [0, 0];
  for (let index = from; index < from + inputs; index++) {
    onInput(index);
    const input = inputOf(parser, bases, seed, index);
    const attempt = (candidate: Buffer): ReturnType<typeof tryInput> =>
      tryInput(parser, candidate, randomFrom(parser.name, seed, index, "portions"), meter);
    const verdict = await attempt(input);
    if (verdict.kind === "accepted") accepted++;
    else if (verdict.kind === "refused" && index >= valid.length) refused++;
    else {
      const { what, detail } = verdict.kind === "failed" ? verdict : { what: "it refuses a valid input", detail: "" };
      if (failures.has(what)) continue;
      if (failures.size >= MAX_FAILURES) {
        others.add(what);
        continue;
      }
      const fails = async (candidate: Buffer): Promise<boolean> => {
        onInput(index);
        const again = await attempt(candidate);
        return again.kind === "failed" && again.what === what;
      };
      const least = verdict.kind === "failed" ? await minimise(input, fails) : input;
      failures.set(what, { index, what, detail, input: least.toString("hex") });
    }
  }
  return { parser: parser.name, inputs, accepted, refused, failures: [...failures.values()], more: others.size };
}
