import { parentPort } from "node:worker_threads";
import { freeBuffer } from "../common/free-buffer.ts";
import { dataOf, HashScratch, type HashReply, type HashRequest } from "./hash-jobs.ts";

/** Entry point of a worker thread of HashPool. */

const port = parentPort;
if (port === null) throw new Error("hash-worker.ts is started by HashPool");
const scratch = new HashScratch();

port.on("message", (request: HashRequest) => {
  let reply: HashReply;
  try {
    reply = { id: request.id, result: scratch.run(request) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    reply = { id: request.id, error: { message, code: (error as NodeJS.ErrnoException).code } };
  }
  dataOf(request).forEach(freeBuffer);
  port.postMessage(reply, "result" in reply ? [reply.result.buffer as ArrayBuffer] : []);
});
