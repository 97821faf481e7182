import { rename, stat } from "node:fs/promises";
import { pino, type Logger } from "pino";
import { toHomewardError } from "../common/errors.ts";

/** A log that has become larger is put aside when the service starts; one old one is kept. */
const MAX_LOG_BYTES = 8 * 1024 * 1024;

/** The service's log, one JSON object a line, for its user only. Never contains what was typed. */
export async function openLog(path: string, hostName: string): Promise<Logger> {
  try {
    const { size } = await stat(path);
    if (size > MAX_LOG_BYTES) await rename(path, `${path}.1`);
  } catch (error) {
    if (toHomewardError(error).code !== "NOT_FOUND") throw error;
  }
  const file = pino.destination({ dest: path, mode: 0o600, sync: true });
  // On a full disk lines are lost; without a listener every call that logs would throw instead.
  file.on("error", () => undefined);
  return pino({ base: { host: hostName, pid: process.pid } }, file);
}
