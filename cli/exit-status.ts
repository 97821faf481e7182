import { EXIT_STATUS, type ErrorCode } from "../common/errors.ts";
import { formatTable } from "../common/table.ts";

/** Each way to fail in a few words, for `--help`; docs/cli.md explains them and is tested against this. */
export const EXIT_MEANINGS: Readonly<Record<ErrorCode, string>> = {
  INTERNAL: "a defect in Homeward",
  USAGE: "a wrong option, argument or input file",
  NOT_FOUND: "no such workspace, generation, host or file",
  CONFLICT: "not possible in the state that it is in",
  ENVIRONMENT: "this computer lacks something, or no service is running",
  INCOMPATIBLE: "the other host cannot run this machine, or it cannot be moved at all",
  DAMAGED: "data does not have the hash that it should have",
  PEER: "the other host cannot be reached or broke the protocol",
  NO_ROOM: "no room on disk or no memory left",
  TIMEOUT: "something did not answer in time",
  GUEST: "QEMU or the guest failed",
  CANCELLED: "stopped by you",
};

export const ERROR_CODES = Object.keys(EXIT_STATUS) as readonly ErrorCode[];

/** Every command can end like this. */
const ALWAYS: readonly ErrorCode[] = ["INTERNAL", "USAGE", "ENVIRONMENT", "CANCELLED"];

/** The table of exit statuses of a command that can also fail in the ways of `codes`; of all of them by default. */
export function exitTable(codes: readonly ErrorCode[] = ERROR_CODES): string {
  const rows = ERROR_CODES.filter((code) => codes.includes(code) || ALWAYS.includes(code)).map((code) => [
    String(EXIT_STATUS[code]),
    code,
    EXIT_MEANINGS[code],
  ]);
  return formatTable([["0", "", "success"], ...rows], ["right"], "  ");
}
