import { homedir } from "node:os";
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
