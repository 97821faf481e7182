import { console } from "./en/console.ts";
import { create } from "./en/create.ts";
import { history } from "./en/history.ts";
import { hosts } from "./en/hosts.ts";
import { layDown } from "./en/lay-down.ts";
import { move } from "./en/move.ts";
import { shell } from "./en/shell.ts";
import { workspaces } from "./en/workspaces.ts";

/** Everything that the pages say, one object a page. Another language is another object of this type. */
export interface Texts {
  readonly shell: typeof shell;
  readonly workspaces: typeof workspaces;
  readonly hosts: typeof hosts;
  readonly history: typeof history;
  readonly create: typeof create;
  readonly console: typeof console;
  readonly move: typeof move;
  readonly layDown: typeof layDown;
}

export const texts: Texts = { shell, workspaces, hosts, history, create, console, move, layDown };

const lists = new Intl.ListFormat("en");

/** "home, work and cloud". */
export function listed(names: readonly string[]): string {
  return lists.format(names);
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** How long ago an ISO time is. */
export function ago(at: string, now: number = Date.now()): string {
  const ms = now - Date.parse(at);
  const { ago: words } = texts.shell;
  if (ms < MINUTE_MS) return words.now;
  if (ms < HOUR_MS) return words.minutes(Math.floor(ms / MINUTE_MS));
  if (ms < DAY_MS) return words.hours(Math.floor(ms / HOUR_MS));
  return words.days(Math.floor(ms / DAY_MS));
}
