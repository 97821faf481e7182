import { describe, expect, it } from "vitest";
import { Turns } from "../../service/workspaces/turns.ts";

/** Work that lasts until it is told to end. */
function held(): { readonly work: () => Promise<string>; end: () => void; begun: () => boolean } {
  let end: () => void = () => undefined;
  let begun = false;
  const done = new Promise<string>((resolve) => {
    end = () => {
      resolve("done");
    };
  });
  const work = (): Promise<string> => {
    begun = true;
    return done;
  };
  return { work, end, begun: () => begun };
}

const ticks = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("turns of a workspace", () => {
  it("refuse what is asked for while something else is", async () => {
    const turns = new Turns("w", () => undefined);
    const first = held();
    const running = turns.ask("seal", first.work);
    expect(turns.doing).toBe("seal");
    await expect(turns.ask("start", () => Promise.resolve())).rejects.toMatchObject({
      code: "CONFLICT",
      message: "w is busy (seal)",
    });
    first.end();
    expect(await running).toBe("done");
    expect(turns.doing).toBeNull();
    expect(await turns.ask("start", () => Promise.resolve(1))).toBe(1);
  });

  it("make housekeeping wait, and what is asked for wait for it", async () => {
    const turns = new Turns("w", () => undefined);
    const [first, house, third] = [held(), held(), held()];
    const all = [turns.ask("seal", first.work), turns.keepHouse("tidy", house.work)];
    await ticks();
    expect(house.begun()).toBe(false);
    first.end();
    await ticks();
    expect(turns.doing).toBeNull();
    expect(turns.taken).toBe(true);
    all.push(turns.ask("start", third.work));
    await ticks();
    expect(third.begun()).toBe(false);
    house.end();
    await ticks();
    expect(turns.doing).toBe("start");
    third.end();
    expect(await Promise.all(all)).toEqual(["done", "done", "done"]);
  });

  it("go on after a failure, and tell of every end", async () => {
    let ends = 0;
    const turns = new Turns("w", () => {
      ends++;
    });
    await expect(turns.ask("start", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    await turns.idle();
    await turns.ask("start", () => Promise.resolve());
    expect(ends).toBe(2);
  });

  it("are over once closed, after what is under way", async () => {
    const turns = new Turns("w", () => undefined);
    const first = held();
    const running = turns.ask("seal", first.work);
    let closed = false;
    const closing = turns.close().then(() => {
      closed = true;
    });
    await ticks();
    expect(closed).toBe(false);
    first.end();
    await Promise.all([running, closing]);
    await expect(turns.ask("start", () => Promise.resolve())).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(turns.keepHouse("tidy", () => Promise.resolve())).rejects.toMatchObject({ code: "CONFLICT" });
  });
});
