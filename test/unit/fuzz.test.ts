import { beforeAll, describe, expect, test } from "vitest";
import { HomewardError } from "../../common/errors.ts";
import { AllocationMeter } from "../fuzz/allocations.ts";
import type { FuzzedParser } from "../fuzz/parser.ts";
import { PARSERS, sharedOut } from "../fuzz/parsers/index.ts";
import { fuzz } from "../fuzz/run.ts";
import { runWatched } from "../fuzz/watch.ts";
import type { FuzzReport } from "../fuzz/worker.ts";

/** The short form of `npm run test:fuzz`: the same inputs every time. */
const SEED = 1;
const INPUTS = 8000;

describe("changed at random, what comes from a peer, a guest or a file", () => {
  let reports: readonly FuzzReport[] = [];

  beforeAll(async () => {
    const tasks = sharedOut(INPUTS).map((task) => ({ ...task, seed: SEED, from: 0 }));
    reports = await runWatched(tasks, { branches: false });
  }, 600_000);

  test.each(Object.keys(PARSERS))("is understood or refused: %s", (name) => {
    const report = reports.find(({ parser }) => parser === name);
    expect(report?.failures, `again: npm run test:fuzz -- --parser ${name} --seed ${SEED}`).toEqual([]);
    expect(report?.accepted).toBeGreaterThan(0);
  });
});

/** Reads a count and as many bytes; goes wrong as told. */
function countedBytes(onCount: (count: number) => void): FuzzedParser {
  return {
    name: "counted",
    code: [],
    shape: "bytes",
    codes: ["DAMAGED"],
    valid: () => [Buffer.from([3, 1, 2, 3])],
    parse: (input) => {
      const count = input[0] ?? 0;
      onCount(count);
      if (input.length !== count + 1) throw new HomewardError("DAMAGED", "not so many");
      return true;
    },
  };
}

describe("a parser that goes wrong is found", () => {
  const options = { seed: SEED, from: 0, inputs: 3000 };

  test("by an error that is none of its own, with the shortest input", async () => {
    const parser = countedBytes((count) => {
      if (count > 200) throw new TypeError("undefined is not a function");
    });
    const { failures } = await fuzz(parser, options, null);
    expect(failures).toMatchObject([{ what: "it throws TypeError: undefined is not a function" }]);
    expect(failures[0]?.input).toMatch(/^[c-f][0-9a-f]$/);
  });

  test("by a code that it may not throw", async () => {
    const parser = countedBytes((count) => {
      if (count === 255) throw new HomewardError("INTERNAL", "a defect");
    });
    expect((await fuzz(parser, options, null)).failures).toMatchObject([{ what: "it throws INTERNAL", input: "ff" }]);
  });

  test("by refusing what is valid", async () => {
    const parser = countedBytes((count) => {
      if (count === 3) throw new HomewardError("DAMAGED", "three is too many");
    });
    expect((await fuzz(parser, options, null)).failures).toMatchObject([{ index: 0, what: "it refuses a valid input" }]);
  });

  test("by what it asks for, in a thread of its own that it may end", async () => {
    const meter = new AllocationMeter();
    const parser = countedBytes((count) => {
      if (count === 128) Buffer.alloc(10_000_000);
    });
    expect((await fuzz(parser, options, meter)).failures).toMatchObject([{ what: "it asks for too much memory", input: "80" }]);
    const [report] = await runWatched([{ parser: "none", ...options }], { branches: false });
    expect(report?.failures).toMatchObject([{ what: expect.stringContaining("there is no parser none") as string }]);
  });
});
