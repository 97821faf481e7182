/**
 * Every error that a user can meet. The literal `code` is part of the public interface: it is what `--json` prints and
 * what decides the exit status, so codes are added but never renamed.
 */
export const EXIT_STATUS = {
  /** A defect in Homeward itself. */
  INTERNAL: 1,
  /** A wrong flag, argument or input file written by the user. */
  USAGE: 2,
  /** No such workspace, generation, host or file. */
  NOT_FOUND: 3,
  /** The object is in a state that does not allow this now (running, owned elsewhere, already migrating). */
  CONFLICT: 4,
  /** Something this computer lacks: QEMU, a tool, a permission, the service itself. */
  ENVIRONMENT: 5,
  /** The destination cannot run this machine (QEMU version, accelerator, CPU model, firmware), or nobody else could. */
  INCOMPATIBLE: 6,
  /** Stored or received data does not have the hash it should have. */
  DAMAGED: 7,
  /** The other host cannot be reached, vanished, or does not keep to the protocol. */
  PEER: 8,
  /** No room on disk or no memory left. */
  NO_ROOM: 9,
  /** Something that should have answered did not, in time. */
  TIMEOUT: 10,
  /** QEMU or the guest failed. */
  GUEST: 11,
  /** Stopped by the user. */
  CANCELLED: 130,
} as const;

export type ErrorCode = keyof typeof EXIT_STATUS;

export interface ErrorOptions {
  /** What the user can do next, one sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** Facts for programs, e.g. expected and actual hash. */
  readonly data?: Readonly<Record<string, unknown>>;
}

export class HomewardError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "HomewardError";
    this.code = code;
    this.hint = options.hint;
    this.data = options.data ?? {};
  }
}

/** What a failure of node:sqlite means for the user, by the low byte of SQLite's result code (sqlite3.h); null if nothing. */
export function sqliteCode(error: Error): ErrorCode | null {
  if (!("errcode" in error)) return null;
  switch (Number(error.errcode) & 255) {
    case 13: // SQLITE_FULL
      return "NO_ROOM";
    case 11: // SQLITE_CORRUPT
    case 26: // SQLITE_NOTADB
      return "DAMAGED";
    default:
      return null;
  }
}

/** Whatever was thrown, as a HomewardError; an abort becomes CANCELLED, an operating-system error keeps its meaning. */
export function toHomewardError(thrown: unknown): HomewardError {
  if (thrown instanceof HomewardError) return thrown;
  if (!(thrown instanceof Error)) return new HomewardError("INTERNAL", String(thrown));
  if (thrown.name === "AbortError") return new HomewardError("CANCELLED", "stopped", { cause: thrown });
  const database = sqliteCode(thrown);
  if (database !== null) return new HomewardError(database, thrown.message, { cause: thrown });
  const system = "code" in thrown ? thrown.code : undefined;
  if (system === "ENOSPC" || system === "EDQUOT" || system === "ENOMEM")
    return new HomewardError("NO_ROOM", thrown.message, { cause: thrown });
  if (system === "ENOENT") return new HomewardError("NOT_FOUND", thrown.message, { cause: thrown });
  if (system === "EACCES" || system === "EPERM")
    return new HomewardError("ENVIRONMENT", thrown.message, { cause: thrown });
  return new HomewardError("INTERNAL", thrown.message, { cause: thrown });
}
