import { describe, expect, it } from "vitest";
import { abortable } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";

describe("work that a signal makes nobody wait for", () => {
  it.each(["before", "while"] as const)("may fail %s it is waited for: that ends no process", async (when) => {
    const unhandled: unknown[] = [];
    const onUnhandled = (error: unknown): void => {
      unhandled.push(error);
    };
    process.on("unhandledRejection", onUnhandled);
    try {
      const stop = new AbortController();
      const { promise, reject } = Promise.withResolvers<never>();
      if (when === "before") stop.abort();
      const waiting = abortable(promise, stop.signal);
      stop.abort();
      await expect(waiting).rejects.toMatchObject({ code: "CANCELLED" });
      reject(new HomewardError("GUEST", "it failed, too"));
      // Node tells once the microtasks are done.
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).toEqual([]);
    } finally {
      process.off("unhandledRejection", onUnhandled);
    }
  });
});
