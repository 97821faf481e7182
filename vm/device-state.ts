import { createReadStream, createWriteStream } from "node:fs";
import { lchown, open, rename, rm, stat } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";
import { basename, dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { abortable, abortReason, throwIfAborted, withTimeout } from "../common/abort.ts";
import { HomewardError, toHomewardError } from "../common/errors.ts";
import { connectUnix } from "./connect.ts";
import type { QmpClient, QmpEvent } from "./qmp-client.ts";
import { isJsonObject } from "./qmp-stream.ts";

/**
 * Device state is what QEMU's migration stream holds when RAM is a shared file and left out of it. The stream passes
 * through a unix socket between QEMU and this process, so that QEMU needs neither a shell nor the right to open the file.
 * The socket is in QEMU's working folder and named without a path: whom QEMU runs as may not go through the folders above.
 */

/** 6 MB were measured; it grows with the number of devices, not with RAM. */
const MAX_STATE_BYTES = 256 * 1024 * 1024;
const STATE_TIMEOUT_MS = 120_000;
const CANCEL_TIMEOUT_MS = 10_000;

/** fsyncs each file. @throws the system's error */
export async function syncFiles(paths: readonly string[]): Promise<void> {
  await Promise.all(
    paths.map(async (path) => {
      const file = await open(path, "r");
      try {
        await file.sync();
      } finally {
        await file.close();
      }
    }),
  );
}

async function setCapabilities(qmp: QmpClient): Promise<void> {
  const capabilities = ["x-ignore-shared", "events"].map((capability) => ({ capability, state: true }));
  await qmp.execute("migrate-set-capabilities", { capabilities });
}

async function failureReason(qmp: QmpClient): Promise<string> {
  try {
    const info = await qmp.execute("query-migrate");
    if (isJsonObject(info) && typeof info["error-desc"] === "string") return info["error-desc"].slice(0, 2000);
  } catch {
    // QEMU exits when it cannot load a state; its log says why.
  }
  return "QEMU gave no reason";
}

interface MigrationWatch {
  /** Rejects unless the stream was completed. */
  readonly ended: Promise<void>;
  stop(): void;
}

/** Watches from now on; to be called before the stream is started, or its end could be missed. */
function watchMigration(qmp: QmpClient): MigrationWatch {
  let unsubscribe = (): void => undefined;
  const status = new Promise<string>((resolve, reject) => {
    unsubscribe = qmp.onEvent((event: QmpEvent) => {
      const state = event.name === "MIGRATION" ? event.data["status"] : undefined;
      if (state === "completed" || state === "failed" || state === "cancelled") resolve(state);
    });
    void qmp.closed.then(() => {
      reject(new HomewardError("GUEST", "QEMU went away in the middle of its state"));
    });
  });
  const ended = status.then(async (state) => {
    if (state === "cancelled") throw new HomewardError("CANCELLED", "stopped");
    if (state === "failed") throw new HomewardError("GUEST", await failureReason(qmp));
  });
  // Awaited only after other steps that may fail first.
  ended.catch(() => undefined);
  return { ended, stop: unsubscribe };
}

async function* bounded(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    if (bytes > MAX_STATE_BYTES) throw new HomewardError("GUEST", "QEMU's device state is impossibly large");
    yield chunk;
  }
}

function uriOf(socketPath: string): string {
  return `unix:${basename(socketPath)}`;
}

/** For whom the folder belongs to. */
async function listen(socketPath: string): Promise<Server> {
  await rm(socketPath, { force: true });
  const server = createServer({ pauseOnConnect: true });
  server.listen(socketPath);
  await once(server, "listening");
  const { uid, gid } = await stat(dirname(socketPath));
  if (uid !== process.getuid?.()) await lchown(socketPath, uid, gid);
  return server;
}

/** Lets QEMU write its state into `part`. */
async function receiveState(qmp: QmpClient, socketPath: string, part: string, signal?: AbortSignal): Promise<void> {
  const server = await listen(socketPath);
  const watch = watchMigration(qmp);
  const connected = new Promise<Socket>((resolve) => server.once("connection", resolve));
  const stopped = new AbortController();
  const written = connected.then(async (socket) => {
    server.close();
    await pipeline(socket, bounded, createWriteStream(part, { mode: 0o600, flush: true }), {
      signal: stopped.signal,
    });
  });
  written.catch(() => undefined);
  let started = false;
  try {
    await qmp.execute("migrate", { uri: uriOf(socketPath) });
    started = true;
    // QEMU is done when it has sent the last byte, the file when that has arrived.
    const done = Promise.all([watch.ended, written]);
    await withTimeout(abortable(done, signal), STATE_TIMEOUT_MS, "saving the device state");
  } catch (error) {
    if (started) {
      await qmp.execute("migrate_cancel").catch(() => undefined);
      // Until then QEMU refuses to go on.
      await withTimeout(watch.ended, CANCEL_TIMEOUT_MS, "QEMU").catch(() => undefined);
    }
    throw toHomewardError(error);
  } finally {
    watch.stop();
    stopped.abort();
    server.close();
    await rm(socketPath, { force: true });
  }
}

/**
 * Writes the device state of a paused machine to `path`, whole and durable or not at all.
 * @throws CANCELLED, GUEST, TIMEOUT; the machine stays paused and can go on
 */
export async function writeDeviceState(
  qmp: QmpClient,
  socketPath: string,
  path: string,
  signal?: AbortSignal,
): Promise<void> {
  throwIfAborted(signal);
  await setCapabilities(qmp);
  const part = `${path}.part`;
  await rm(part, { force: true });
  try {
    await receiveState(qmp, socketPath, part, signal);
    await rename(part, path);
    await syncFiles([dirname(path)]);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

/**
 * Reads a device state into a machine that waits for one.
 * @throws GUEST if QEMU does not take it (it exits then), CANCELLED, TIMEOUT
 */
export async function readDeviceState(
  qmp: QmpClient,
  socketPath: string,
  path: string,
  signal?: AbortSignal,
): Promise<void> {
  throwIfAborted(signal);
  await setCapabilities(qmp);
  await rm(socketPath, { force: true });
  const watch = watchMigration(qmp);
  let socket: Socket | undefined;
  try {
    await qmp.execute("migrate-incoming", { uri: uriOf(socketPath) });
    socket = await connectUnix(socketPath, signal);
    // QEMU knows where the stream ends and closes the socket there, which `pipeline` may take for the end of nothing and
    // never settle; a stream that it refuses breaks the socket too. Either way only the watch knows what came of it.
    pipeline(createReadStream(path), bounded, socket).catch(() => undefined);
    await withTimeout(abortable(watch.ended, signal), STATE_TIMEOUT_MS, "loading the device state");
  } catch (error) {
    if (signal?.aborted === true) throw abortReason(signal);
    throw toHomewardError(error);
  } finally {
    watch.stop();
    socket?.destroy();
    await rm(socketPath, { force: true });
  }
}
