import { describe, expect, test } from "vitest";
import { nothingExcused, type Picture } from "../../replayer/picture.ts";
import { Timeline } from "../../replayer/timeline.ts";

/** A picture per letter. */
function picture(letter: string): Picture {
  const grid = Uint8Array.from({ length: 100 }, (_, cell) => (letter.charCodeAt(0) * (cell + 3) * 7) % 256);
  return { width: 160, height: 160, grid };
}

function path(recorded: string, seen: string): string[] {
  const timeline = new Timeline();
  Array.from(recorded).forEach((letter, i) => {
    const shown = seen[i] ?? "";
    const difference = shown === letter ? "" : "9 cells differ";
    timeline.note(i, picture(letter), picture(shown), nothingExcused, shown === letter, difference);
  });
  return timeline.path().map(({ kind, fromStep, toStep, text }) => `${kind} ${fromStep}-${toStep}: ${text}`);
}

describe("the path", () => {
  test("that was kept is one stretch", () => {
    expect(path("ABCABD", "ABCABD")).toEqual(["same 0-5: steps 0 to 5: the screen was as recorded"]);
  });

  test("that was left and found again", () => {
    expect(path("ABCDEFGH", "ABCxyFGH")).toEqual([
      "same 0-2: steps 0 to 2: the screen was as recorded",
      "left 3-4: steps 3 to 4: the screen was not as recorded (first: 9 cells differ)",
      "returned 5-7: back on the path: steps 5 to 7: the screen was as recorded",
    ]);
  });

  test("that was left for good", () => {
    expect(path("ABCD", "Axyz")).toEqual([
      "same 0-0: step 0: the screen was as recorded",
      "left 1-3: steps 1 to 3: the screen was not as recorded (first: 9 cells differ)",
    ]);
  });

  test("that lags behind the recording", () => {
    const segments = path("ABCDEF", "ABBCDE");
    expect(segments.join("\n")).toContain("what was recorded 1 step earlier");
  });

  test("of a long replay is put together from its pieces, and bounded", () => {
    const recorded = "ABCDEFGH".repeat(250);
    expect(path(recorded, recorded)).toEqual(["same 0-1999: steps 0 to 1999: the screen was as recorded"]);
    const seen = Array.from(recorded, (letter, i) => (i % 3 === 0 ? "z" : letter)).join("");
    expect(path(recorded, seen).length).toBe(200);
  });

  test("of no steps is empty", () => {
    expect(new Timeline().path()).toEqual([]);
  });
});
