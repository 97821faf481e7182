import assert from "node:assert/strict";

/** As JSON says it, to which -0 is 0. */
export function assertSameJson(actual: unknown, expected: unknown): void {
  assert.equal(JSON.stringify(actual), JSON.stringify(expected));
}
