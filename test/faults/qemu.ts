import { copyFileSync, constants, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeLogNames } from "./aside.ts";

/**
 * Stands in for QEMU in a host's PATH: becomes QEMU, with a filter under the writable image of a machine's disk that logs
 * every write and flush (blklogwrites). `node qemu.ts REAL-QEMU ARGUMENT...`
 */
const [, , qemu = "", ...args] = process.argv;
const dir = process.env["FAULTS_ASIDE"] ?? "";

function withLog(argument: string): string[] {
  if (!argument.startsWith("{")) return [argument];
  const node = JSON.parse(argument) as Record<string, unknown>;
  // A machine's writable overlay; a twin's, with its flushes ignored, has nothing to lose.
  if (node["driver"] === "qcow2" && node["node-name"] === "disk0" && node["read-only"] !== true && node["cache"] === undefined)
    return [JSON.stringify({ ...node, file: "logged0" })];
  const { filename } = node;
  if (node["node-name"] !== "file0" || node["cache"] !== undefined || typeof filename !== "string") return [argument];
  const names = writeLogNames(String(statSync(filename).ino));
  copyFileSync(filename, join(dir, names.before), constants.COPYFILE_FICLONE);
  writeFileSync(join(dir, names.log), "");
  const log = { driver: "file", "node-name": "log0", filename: join(dir, names.log) };
  const logged = { driver: "blklogwrites", "node-name": "logged0", file: "file0", log: "log0", discard: "unmap" };
  return [argument, "-blockdev", JSON.stringify(log), "-blockdev", JSON.stringify(logged)];
}

process.execve?.(qemu, [qemu, ...args.flatMap(withLog)], process.env);
