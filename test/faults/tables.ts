import { DAMAGED_FRAMES, FAULTS, MOMENTS, caseName, neverStrikes, type Case } from "./plan.ts";

/** What is kept of one fault. */
export interface ResultLine {
  readonly seed: number;
  readonly index: number;
  readonly case: Case;
  readonly struck: boolean;
  readonly outcome?: "moved" | "stayed";
  readonly state?: string;
  readonly seconds: number;
  readonly notes?: readonly string[];
  readonly problem?: string;
}

/** Whether it has struck fewer than `times` times. What was tried that often and never struck does not come about. */
export function lacks(one: Case, results: readonly ResultLine[], times: number): boolean {
  const tried = results.filter((line) => caseName(line.case) === caseName(one));
  const struck = tried.filter((line) => line.struck && line.problem === undefined).length;
  return struck < times && (struck > 0 || tried.length < times);
}

function cells(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return [header, header.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** Prints how often each fault struck at each moment with everything as it has to be, as Markdown, and what went wrong. */
export function printTables(results: readonly ResultLine[], seconds: number): void {
  const struck = results.filter((line) => line.struck);
  const count = (name: string): number =>
    struck.filter((line) => line.problem === undefined && caseName(line.case) === name).length;
  const reasons: string[] = [];
  const rows = FAULTS.map((fault) => [
    fault,
    ...MOMENTS.map((moment) => {
      const why = neverStrikes(fault, moment);
      if (why === null) return String(count(`${fault} @ ${moment}`));
      if (!reasons.includes(why)) reasons.push(why);
      return String.fromCharCode(97 + reasons.indexOf(why));
    }),
  ]);
  console.log(`\n${cells(["fault", ...MOMENTS], rows)}`);
  for (const [index, why] of reasons.entries()) console.log(`${String.fromCharCode(97 + index)}: ${why}`);
  console.log(`\n${cells(["damaged frame", "times"], DAMAGED_FRAMES.map((frame) => [frame, String(count(`damage ${frame}`))]))}`);
  const problems = results.filter(({ problem }) => problem !== undefined);
  const moved = struck.filter(({ outcome }) => outcome === "moved").length;
  console.log(
    `\n${String(struck.length)} faults: ${String(moved)} moved all the same, ${String(struck.length - moved - problems.length)} went on at the source, ` +
      `${String(problems.length)} problems; ${String(results.length - struck.length)} did not strike; ${seconds.toFixed(0)} s`,
  );
  for (const { seed, index, case: one } of problems) console.log(`  ${String(seed)}:${String(index)} ${caseName(one)}`);
}
