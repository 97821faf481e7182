import { describe, expect, test } from "vitest";
import { BENCHES } from "../../bench/benches.ts";
import { formatLines, isKept, linesAsJson, type NamedLine } from "../../bench/line.ts";

function line(value: number, limit?: NamedLine["limit"]): NamedLine {
  return { bench: "b", what: "w", value, unit: "ms", ...(limit === undefined ? {} : { limit }) };
}

describe("a line of npm run bench", () => {
  test.each([
    [line(2, { atMost: 2 }), true],
    [line(2.001, { atMost: 2 }), false],
    [line(0.8, { atLeast: 0.8 }), true],
    [line(0.799, { atLeast: 0.8 }), false],
    [line(NaN, { atMost: 2 }), false],
    [line(NaN, { atLeast: 2 }), false],
    [line(1e9), undefined],
  ])("%o keeps its limit: %o", (measured, kept) => {
    expect(isKept(measured)).toBe(kept);
  });

  test("is printed with its limit and what became of it", () => {
    const rows = formatLines([line(12.345, { atMost: 10 }), line(0.123, { atMost: 10 }), line(1234)]).split("\n");
    expect(rows.map((row) => row.split(/ {2,}/).filter(Boolean))).toEqual([
      ["measured", "limit"],
      ["b", "w", "12.3 ms", "at most 10 ms", "MISSED"],
      ["b", "w", "0.12 ms", "at most 10 ms", "kept"],
      ["b", "w", "1234 ms"],
    ]);
  });

  test("has the same fields in JSON whether or not it has a limit", () => {
    const [limited, free] = linesAsJson([line(3, { atMost: 2 }), line(3)]);
    expect(limited).toEqual({ bench: "b", what: "w", value: 3, unit: "ms", limit: { atMost: 2 }, kept: false });
    expect(free).toEqual({ bench: "b", what: "w", value: 3, unit: "ms", limit: null, kept: null });
  });

  test("comes from a part with a name of its own", () => {
    const names = BENCHES.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z]+(-[a-z0-9]+)?$/);
  });
});
