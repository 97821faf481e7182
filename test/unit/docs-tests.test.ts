import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..");

interface Promised {
  readonly promise: string;
  /** What the last column says. */
  readonly tests: string;
}

/** Rows of the tables whose last column is headed "test". */
function promises(text: string): Promised[] {
  const found: Promised[] = [];
  let isTested = false;
  let isBody = false;
  for (const line of text.split("\n")) {
    const cells = line.startsWith("|") ? line.split("|").slice(1, -1).map((cell) => cell.trim()) : null;
    if (cells === null) isTested = isBody = false;
    else if (cells.every((cell) => /^-+$/.test(cell))) isBody = true;
    else if (!isBody) isTested = cells.at(-1) === "test";
    else if (isTested) found.push({ promise: cells[0] ?? "", tests: cells.at(-1) ?? "" });
  }
  return found;
}

interface Named {
  /** Below test/, without its ending. */
  readonly file: string;
  /** Of its titles. */
  readonly words: string[];
}

/** `kind/file`, or `kind/file`: words; words … */
function named(tests: string): Named[] {
  return [...tests.matchAll(/`((?:unit|integration|e2e)\/[a-z0-9-]+)`(?:: ([^`]*))?/g)].map(([, file = "", said = ""]) => ({
    file,
    words: said.split(";").map((words) => words.replace(/…?[,. ]*$/, "").trim()).filter((words) => words !== ""),
  }));
}

async function source(file: string): Promise<string | null> {
  const path = [".test.ts", ".vm.test.ts"].map((ending) => join(ROOT, "test", file + ending)).find((each) => existsSync(each));
  return path === undefined ? null : readFile(path, "utf8");
}

/** What a row says of tests and is not so. */
async function wrong({ promise, tests }: Promised): Promise<string[]> {
  const all = named(tests);
  if (all.length === 0) return [`no test: ${promise}`];
  const said = all.map(async ({ file, words }) => {
    const text = await source(file);
    if (text === null) return [`no such file: ${file}`];
    return words.filter((each) => !text.includes(each)).map((each) => `not in ${file}: ${each}`);
  });
  return (await Promise.all(said)).flat();
}

describe("the tests that a page names", () => {
  it.each(["threat-model.md", "failures.md"])("are there, with the words that are quoted: docs/%s", async (page) => {
    const rows = promises(await readFile(join(ROOT, "docs", page), "utf8"));
    expect(rows.length).toBeGreaterThan(40);
    expect((await Promise.all(rows.map(wrong))).flat()).toEqual([]);
  });

  it("are missed when they are not", async () => {
    const table = ["| promise | test |", "|---|---|", "| a | `unit/nothing` |", "| b | by hand |", "| c | `unit/hosts-id`: no such words; with any one digit wrong |"];
    const rows = promises([...table, "", "| x | y |", "|---|---|", "| d | e |"].join("\n"));
    expect((await Promise.all(rows.map(wrong))).flat()).toEqual(["no such file: unit/nothing", "no test: b", "not in unit/hosts-id: no such words"]);
  });
});
