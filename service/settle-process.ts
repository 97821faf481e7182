import { homedir } from "node:os";
import { join } from "node:path";

/**
 * What the service's process has to be started with to get by with little memory, whatever the size of its machines. All
 * of it is read when a process starts, so that it replaces itself: same process id, same open files, however it was
 * started. `npm run bench -- exchange` shows what it is good for.
 */

/**
 * Megabytes of each half of the young heap. V8 would let them grow to 16 and more: what passes through here are small
 * objects that live for one message, and small halves are also collected in shorter pauses.
 */
const NODE_FLAGS = ["--max-semi-space-size=2"];

/**
 * malloc(3) of glibc: few arenas, because each thread's own would keep what that thread once needed; and every block of
 * 64 KiB or more a mapping of its own, which goes back to the kernel when it is freed, as zstd's tables and the buffers
 * of blocks are. Without these glibc raises that threshold to 32 MiB.
 */
const MALLOC = { MALLOC_ARENA_MAX: "2", MALLOC_MMAP_THRESHOLD_: "65536" };

/**
 * Compiled modules are kept in the user's cache folder (see guests/cache.ts). Else every thread loads a TypeScript parser
 * of 15 MB to read them again.
 */
function codeCache({ HOMEWARD_CACHE, XDG_CACHE_HOME }: NodeJS.ProcessEnv): string {
  return join(HOMEWARD_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), ".cache"), "homeward"), "code");
}

/** Returns in a process that was started so; replaces any other by such a one. To be called before anything is opened. */
export function settleProcess(): void {
  const { env, argv, execArgv, execPath } = process;
  if (NODE_FLAGS.every((flag) => execArgv.includes(flag))) {
    // Not for the programs that the service starts.
    for (const name of Object.keys(MALLOC)) Reflect.deleteProperty(env, name);
    return;
  }
  const settings = { ...MALLOC, NODE_COMPILE_CACHE: codeCache(env) };
  process.execve?.(execPath, [execPath, ...NODE_FLAGS, ...execArgv, ...argv.slice(1)], { ...env, ...settings });
}
