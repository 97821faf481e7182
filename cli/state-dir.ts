import { homedir, hostname } from "node:os";
import { join, resolve } from "node:path";

/** The state folder when none is given: HOMEWARD_STATE, else XDG_DATA_HOME/homeward, else ~/.local/share/homeward. */
export function defaultStateDir(env: NodeJS.ProcessEnv = process.env): string {
  if (env["HOMEWARD_STATE"]) return resolve(env["HOMEWARD_STATE"]);
  return join(env["XDG_DATA_HOME"] || join(homedir(), ".local", "share"), "homeward");
}

/** Socket on which the service of a state folder takes orders. */
export function controlSocket(stateDir: string): string {
  return join(stateDir, "control.sock");
}

/** This computer's name made into a host name that the protocol allows: lower-case letters, digits, inner hyphens. */
export function defaultHostName(computer: string = hostname()): string {
  const name = (computer.split(".")[0] ?? "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 32)
    .replace(/^-+|-+$/g, "");
  return name === "" ? "host" : name;
}
