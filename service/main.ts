import { settleProcess } from "./settle-process.ts";

/** Entry point of a host's service: see run.ts. Loads nothing else before the process is as it has to be. */
settleProcess();
// Schemas ask for it when they are made. Compiling one at its first use would hold the event loop up, by 10 ms that of the report;
// without, a check takes some 10 µs more.
const { z } = await import("zod");
z.config({ jitless: true });
await import("./run.ts");
