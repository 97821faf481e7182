import { rm } from "node:fs/promises";
import { join } from "node:path";
import { HomewardError } from "../common/errors.ts";

/** sun_path holds 108 bytes on Linux, and some of the programs in between keep less. */
const MAX_SOCKET_PATH_BYTES = 99;

/** @throws ENVIRONMENT if a unix socket cannot have this path; returns it otherwise */
export function socketPath(path: string): string {
  const bytes = Buffer.byteLength(path);
  if (bytes <= MAX_SOCKET_PATH_BYTES) return path;
  throw new HomewardError(
    "ENVIRONMENT",
    `the path of a socket would be ${bytes} bytes long, and ${MAX_SOCKET_PATH_BYTES} is the most that works: ${path}`,
    { hint: "Use a run folder with a shorter path.", data: { path, bytes } },
  );
}

/** The files in a machine's run folder. The folder is 0700, so that only its user can reach the sockets. */
export interface RunDirFiles {
  readonly qmp: string;
  readonly vnc: string;
  /** QEMU's working folder, where it may make files: its own where it runs as another user. */
  readonly own: string;
  /** In `own`: device state passes through it on its way to or from a file. */
  readonly migration: string;
  /** In `own`: what QEMU writes of its memory. */
  readonly memory: string;
  /** Written and locked by QEMU itself. */
  readonly pid: string;
  /** What QEMU prints. */
  readonly log: string;
  /** What stands in for /etc/resolv.conf where the machine has a network of its own. */
  readonly resolvConf: string;
  /** What the program prints that joins this network to the outside. */
  readonly networkLog: string;
}

/** @throws ENVIRONMENT if the folder's path is too long for a socket in it */
export function runDirFiles(runDir: string): RunDirFiles {
  return {
    qmp: socketPath(join(runDir, "qmp.sock")),
    vnc: socketPath(join(runDir, "vnc.sock")),
    own: join(runDir, "qemu"),
    migration: socketPath(join(runDir, "qemu", "state.sock")),
    memory: join(runDir, "qemu", "memory"),
    pid: join(runDir, "qemu.pid"),
    log: join(runDir, "qemu.log"),
    resolvConf: join(runDir, "resolv.conf"),
    networkLog: join(runDir, "network.log"),
  };
}

/** Removes what a dead QEMU left behind; the log stays. */
export async function removeStaleFiles(files: RunDirFiles): Promise<void> {
  for (const path of [files.qmp, files.vnc, files.migration, files.pid]) await rm(path, { force: true });
}
