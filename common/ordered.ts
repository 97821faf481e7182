import { throwIfAborted } from "./abort.ts";

/**
 * Runs `work` on every item with at most `limit` at once and yields the results in the order of the items. When it ends
 * early (error, abort, the consumer leaves) it waits for the work in flight, so that files may be closed afterwards.
 */
export async function* mapOrdered<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<R>,
  signal?: AbortSignal,
): AsyncGenerator<R, void, undefined> {
  const inFlight: Promise<R>[] = [];
  const next = async (): Promise<R> => {
    const [first] = inFlight;
    if (first === undefined) throw new RangeError("nothing in flight");
    const result = await first;
    void inFlight.shift();
    return result;
  };
  try {
    for await (const item of items) {
      throwIfAborted(signal);
      const promise = work(item);
      // The failure is seen when its turn comes; until then it must not count as unhandled.
      promise.catch(() => undefined);
      inFlight.push(promise);
      if (inFlight.length >= limit) yield await next();
    }
    while (inFlight.length > 0) {
      throwIfAborted(signal);
      yield await next();
    }
  } finally {
    await Promise.allSettled(inFlight);
  }
}
