import { HomewardError } from "../../common/errors.ts";
import type { AllocationMeter } from "./allocations.ts";
import { mutateBytes, mutateText } from "./mutate-bytes.ts";
import { mutateJson } from "./mutate-json.ts";
import type { FuzzedParser } from "./parser.ts";
import { pick, randomFrom, type Random } from "./random.ts";

const FREE_BYTES = 64 * 1024;
const BYTES_PER_INPUT_BYTE = 16;
/** Processor time one input may take, ms: far more than any needs, far less than one that never ends. */
const MAX_CPU_MS = 20_000;

/** The same input for the same numbers: first the well-formed ones as they are, then changed ones. */
export function inputOf(parser: FuzzedParser, bases: readonly Buffer[], seed: number, index: number): Buffer {
  const untouched = bases[index];
  if (untouched !== undefined) return untouched;
  const random = randomFrom(parser.name, seed, index);
  const [input, other] = [pick(random, bases), pick(random, bases)];
  if (parser.shape === "json") return mutateJson(random, input, other);
  return parser.shape === "text" ? mutateText(random, input, other, parser.words ?? []) : mutateBytes(random, input, other);
}

export type Verdict =
  | { readonly kind: "accepted" }
  | { readonly kind: "refused" }
  /** `what` is the same for inputs that fail in the same way. */
  | { readonly kind: "failed"; readonly what: string; readonly detail: string };

function failed(what: string, detail = what): Verdict {
  return { kind: "failed", what, detail };
}

function judge(parser: FuzzedParser, thrown: unknown): Verdict {
  if (thrown instanceof HomewardError)
    return parser.codes.includes(thrown.code) ? { kind: "refused" } : failed(`it throws ${thrown.code}`, thrown.stack);
  if (!(thrown instanceof Error)) return failed("it throws what is no error", String(thrown));
  return failed(`it throws ${thrown.name}: ${thrown.message.slice(0, 60)}`, thrown.stack);
}

/** Lets the parser have one input and looks at everything that must hold of any. */
export async function tryInput(
  parser: FuzzedParser,
  input: Buffer,
  random: Random,
  meter: AllocationMeter | null,
): Promise<Verdict> {
  meter?.take();
  const before = process.cpuUsage();
  let verdict: Verdict;
  try {
    const accepted = await parser.parse(Buffer.from(input), random);
    verdict = { kind: accepted ? "accepted" : "refused" };
  } catch (thrown) {
    verdict = judge(parser, thrown);
  }
  if (verdict.kind === "failed") return verdict;
  const { user, system } = process.cpuUsage(before);
  if ((user + system) / 1000 > MAX_CPU_MS) return failed("it takes too long");
  const largest = meter?.take() ?? 0;
  return largest > Math.max(FREE_BYTES + BYTES_PER_INPUT_BYTE * input.length, parser.largestBytes ?? 0)
    ? failed("it asks for too much memory", `${largest} bytes at once for an input of ${input.length}`)
    : verdict;
}
