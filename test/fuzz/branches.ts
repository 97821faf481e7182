import { Session, type Profiler } from "node:inspector/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { ParserCode } from "./parser.ts";

const ROOT = join(import.meta.dirname, "..", "..");

export interface Branches {
  readonly covered: number;
  readonly all: number;
  /** FILE:LINE of what was never reached. */
  readonly missed: readonly string[];
}

/** Counts which branches of this thread's code are reached: V8's block coverage, as `node --test` reports it. */
export class BranchCounter {
  readonly #session: Session;

  private constructor(session: Session) {
    this.#session = session;
  }

  /** To be called before the code is imported: what is compiled already has no counters. */
  static async start(): Promise<BranchCounter> {
    const session = new Session();
    session.connect();
    await session.post("Profiler.enable");
    await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
    return new BranchCounter(session);
  }

  async take(code: readonly ParserCode[], sources: (file: string) => Promise<string>): Promise<Branches> {
    const { result } = await this.#session.post("Profiler.takePreciseCoverage");
    let [covered, all] = [0, 0];
    const missed: string[] = [];
    for (const { file, functions } of code) {
      const url = pathToFileURL(join(ROOT, file)).href;
      const script = result.find((found) => found.url === url);
      if (script === undefined) throw new Error(`${file} was not loaded`);
      const source = await sources(join(ROOT, file));
      for (const { count, startOffset } of rangesOf(script, functions)) {
        all++;
        if (count > 0) covered++;
        else missed.push(`${file}:${source.slice(0, startOffset).split("\n").length}`);
      }
    }
    return { covered, all, missed };
  }
}

/** Every function and every block in it that V8 counts; all of the file, or what is in the functions of these names. */
function rangesOf(script: Profiler.ScriptCoverage, names: readonly string[] | undefined): Profiler.CoverageRange[] {
  if (names === undefined) return script.functions.flatMap(({ ranges }) => ranges);
  const wanted = script.functions.filter(({ functionName }) => names.includes(functionName));
  const missing = names.find((name) => !wanted.some(({ functionName }) => functionName === name));
  if (missing !== undefined) throw new Error(`there is no function ${missing} in ${script.url}`);
  const within = ({ ranges: [range] }: Profiler.FunctionCoverage): boolean =>
    wanted.some(({ ranges: [outer] }) => {
      if (range === undefined || outer === undefined) return false;
      return outer.startOffset <= range.startOffset && range.endOffset <= outer.endOffset;
    });
  return script.functions.filter(within).flatMap(({ ranges }) => ranges);
}
