import { settleProcess } from "./settle-process.ts";

/** Entry point of a host's service: see run.ts. Loads nothing else before the process is as it has to be. */
settleProcess();
await import("./run.ts");
