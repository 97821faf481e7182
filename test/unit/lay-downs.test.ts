import { describe, expect, it } from "vitest";
import { throwIfAborted } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import { noProgress } from "../../common/progress.ts";
import { LayDowns } from "../../service/push/lay-downs.ts";

const REQUEST = { workspace: "work", peer: "home", detached: false };

/** Work that lasts until it is stopped, and the client that asked for it. */
function lasting(layDowns: LayDowns, detached: boolean): { readonly work: Promise<void>; readonly leave: () => void } {
  const client = new AbortController();
  const work = layDowns.run({ ...REQUEST, detached }, { signal: client.signal, progress: noProgress }, async ({ signal, progress }) => {
    progress.update({ phase: "push", done: 1, total: 2, unit: "bytes" });
    await new Promise<void>((resolve) => { signal.addEventListener("abort", () => { resolve(); }); });
    throwIfAborted(signal);
  });
  return { work, leave: () => { client.abort(new HomewardError("CANCELLED", "the client has gone")); } };
}

describe("laying down", () => {
  it("says how far it is, and nothing once it is done", async () => {
    const layDowns = new LayDowns();
    const done = Promise.withResolvers<undefined>();
    const work = layDowns.run(REQUEST, { signal: new AbortController().signal, progress: noProgress }, () => done.promise);
    expect(layDowns.get("work")).toEqual({ peer: "home", progress: null, error: null });
    done.resolve(undefined);
    await work;
    expect(layDowns.get("work")).toBeNull();
  });

  it("ends with its client", async () => {
    const layDowns = new LayDowns();
    const { work, leave } = lasting(layDowns, false);
    leave();
    await expect(work).rejects.toMatchObject({ code: "CANCELLED" });
    expect(layDowns.get("work")).toBeNull();
  });

  it("goes on without its client when it is detached, until it is stopped", async () => {
    const layDowns = new LayDowns();
    const { work, leave } = lasting(layDowns, true);
    leave();
    await Promise.resolve();
    expect(layDowns.get("work")).toMatchObject({ progress: { done: 1 }, error: null });
    layDowns.end("work");
    await expect(work).rejects.toMatchObject({ code: "CANCELLED" });
    expect(layDowns.get("work")).toBeNull();
  });

  it("keeps what a detached one failed with until somebody has read it", async () => {
    const layDowns = new LayDowns();
    const error = new HomewardError("PEER", "home is gone", { hint: "Wait." });
    const client = { signal: new AbortController().signal, progress: noProgress };
    await expect(layDowns.run({ ...REQUEST, detached: true }, client, () => Promise.reject(error))).rejects.toBe(error);
    expect(layDowns.get("work")?.error).toEqual({ message: "home is gone", hint: "Wait." });
    layDowns.end("work");
    expect(layDowns.get("work")).toBeNull();
    expect(() => { layDowns.end("work"); }).toThrow(/not being laid down/);
  });

  it("is refused while the same workspace is laid down elsewhere", async () => {
    const layDowns = new LayDowns();
    const { work } = lasting(layDowns, true);
    const client = { signal: new AbortController().signal, progress: noProgress };
    await expect(layDowns.run({ ...REQUEST, peer: "third" }, client, () => Promise.resolve())).rejects.toMatchObject({ code: "CONFLICT" });
    expect(layDowns.get("work")?.peer).toBe("home");
    layDowns.end("work");
    await expect(work).rejects.toMatchObject({ code: "CANCELLED" });
  });
});
