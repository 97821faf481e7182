import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { HomewardError } from "../../common/errors.ts";
import { whenRoom } from "../../service/migration/when-room.ts";

const stop = new AbortController();
const ctx = { log: pino({ level: "silent" }), stopping: stop.signal };

/** Fails with these codes, one after the other, then succeeds; counts how often it was tried. */
function failing(...codes: ("NO_ROOM" | "GUEST")[]): { work: () => Promise<void>; tries: () => number } {
  let tries = 0;
  const work = (): Promise<void> => {
    const code = codes[tries++];
    return code === undefined ? Promise.resolve() : Promise.reject(new HomewardError(code, "no"));
  };
  return { work, tries: () => tries };
}

describe("the end of a migration on a full disk", () => {
  it("is told at once, and recorded as soon as there is room", async () => {
    const { work, tries } = failing("NO_ROOM", "NO_ROOM");
    await expect(whenRoom(ctx, "id", work)).rejects.toMatchObject({ code: "NO_ROOM" });
    expect(tries()).toBe(1);
    await expect.poll(tries, { timeout: 10_000 }).toBe(3);
  });

  it("knows SQLite's words for it", async () => {
    let tries = 0;
    const full = Object.assign(new Error("database or disk is full"), { errcode: 13 });
    const work = (): Promise<void> => (tries++ === 0 ? Promise.reject(full) : Promise.resolve());
    await expect(whenRoom(ctx, "id", work)).rejects.toBe(full);
    await expect.poll(() => tries, { timeout: 10_000 }).toBe(2);
  });

  it("is not tried again after other failures, nor when the service ends", async () => {
    const other = failing("GUEST");
    await expect(whenRoom(ctx, "id", other.work)).rejects.toMatchObject({ code: "GUEST" });
    const ended = failing("NO_ROOM", "NO_ROOM");
    await expect(whenRoom(ctx, "id", ended.work)).rejects.toMatchObject({ code: "NO_ROOM" });
    stop.abort();
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect([other.tries(), ended.tries()]).toEqual([1, 1]);
  });
});
