import { parentPort } from "node:worker_threads";
import { dataOf, HashScratch, type HashJob, type HashReply, type HashRequest } from "./hash-jobs.ts";

/** Entry point of a worker thread of HashPool. */

const port = parentPort;
if (port === null) throw new Error("hash-worker.ts is started by HashPool");
const scratch = new HashScratch();

/**
 * Gives the memory of the data back at once. A worker's heap hardly grows, so its garbage collector would let hundreds of
 * megabytes of used buffers pile up outside of it.
 */
function free(job: HashJob): void {
  for (const { buffer } of dataOf(job)) if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}

port.on("message", (request: HashRequest) => {
  let reply: HashReply;
  try {
    reply = { id: request.id, result: scratch.run(request) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    reply = { id: request.id, error: { message, code: (error as NodeJS.ErrnoException).code } };
  }
  free(request);
  port.postMessage(reply, "result" in reply ? [reply.result.buffer as ArrayBuffer] : []);
});
