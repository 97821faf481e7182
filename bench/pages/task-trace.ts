import type { Browser } from "playwright-core";
import { z } from "zod";

/** Of Chrome's trace format; times in microseconds. */
const traceSchema = z.object({
  traceEvents: z.array(z.object({ name: z.string(), ph: z.string(), pid: z.int(), tid: z.int(), tdur: z.number().optional(), args: z.unknown() })),
});
const threadSchema = z.object({ name: z.string() });
const loadSchema = z.object({ data: z.object({ url: z.string() }) });

/** Main threads of pages, as Chromium names them. */
const MAIN_THREAD = "CrRendererMain";

/**
 * From now on every task of the main threads of `origin`'s pages that are opened is noted.
 * @returns ends it, and gives the processor time of each task in milliseconds, longest first
 */
export async function traceTasks(browser: Browser, origin: (url: string) => boolean): Promise<() => Promise<number[]>> {
  await browser.startTracing(undefined, { categories: ["toplevel", "devtools.timeline"] });
  return async () => {
    const { traceEvents } = traceSchema.parse(JSON.parse((await browser.stopTracing()).toString()));
    const threads = new Set<string>();
    // Chromium has pages of its own, too.
    const processes = new Set<number>();
    for (const { name, pid, tid, args } of traceEvents) {
      if (name === "thread_name" && threadSchema.safeParse(args).data?.name === MAIN_THREAD) threads.add(`${pid}/${tid}`);
      if (name === "CommitLoad" && origin(loadSchema.safeParse(args).data?.data.url ?? "")) processes.add(pid);
    }
    return traceEvents
      .flatMap(({ ph, pid, tid, tdur }) => (ph === "X" && tdur !== undefined && processes.has(pid) && threads.has(`${pid}/${tid}`) ? [tdur / 1000] : []))
      .sort((a, b) => b - a);
  };
}
