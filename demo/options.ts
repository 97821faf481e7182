import { access } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { HomewardError } from "../common/errors.ts";
import { GUEST_NAMES, type GuestName } from "../guests/definition.ts";
import { parseLinkSpeed, type LinkSpeed } from "./link/speed.ts";

const REPOSITORY = join(import.meta.dirname, "..");
const SESSIONS = join(import.meta.dirname, "sessions");
const DEFAULT_LINK = "1mbit,50ms";
const DEFAULT_SESSION: Readonly<Record<GuestName, string>> = {
  tiny: join(SESSIONS, "console.json"),
  desktop: join(SESSIONS, "shell.json"),
};

export const USAGE = `Moves a running machine from one host to another and back, on this computer.

usage: npm run demo [-- OPTION...]
  --guest tiny|desktop   what runs in the machine (default: desktop, a small Debian; tiny is a text console)
  --session FILE         what the person types and clicks (default: shell; see demo/sessions/)
  --link RATE,RTT        the line between the hosts (default: ${DEFAULT_LINK})
  --out DIR              where pictures and report go (default: a new folder in out/)
  --keep                 keep the folders of both hosts and say where they are
  --json                 print JSON Lines; the last one is the report
  --help                 print this
`;

export interface DemoOptions {
  readonly json: boolean;
  readonly guest: GuestName;
  readonly sessionFile: string;
  /** As the user wrote it. */
  readonly linkText: string;
  readonly link: LinkSpeed;
  readonly out: string;
  readonly keep: boolean;
}

/** 20261120-204512, local time. */
function timestamp(date: Date): string {
  const pad = (value: number): string => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}${pad(date.getMonth() + 1)}${pad(date.getDate())}`;
  return `${day}-${pad(date.getHours())}${pad(date.getMinutes())}${pad(date.getSeconds())}`;
}

function parseGuest(text: string): GuestName {
  const guest = GUEST_NAMES.find((name) => name === text);
  if (guest === undefined)
    throw new HomewardError("USAGE", `there is no guest "${text}"`, { hint: `Guests are ${GUEST_NAMES.join(", ")}.` });
  return guest;
}

function parseWords(argv: readonly string[]): ReturnType<typeof parse> {
  try {
    return parse(argv);
  } catch (cause) {
    throw new HomewardError("USAGE", cause instanceof Error ? cause.message : String(cause), { hint: USAGE });
  }
}

// eslint-disable-next-line @typescript-eslint/explicit-function-return-type -- the type is what parseArgs infers
function parse(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    options: {
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
      guest: { type: "string", default: "desktop" },
      session: { type: "string" },
      link: { type: "string", default: DEFAULT_LINK },
      out: { type: "string" },
      keep: { type: "boolean", default: false },
    },
  }).values;
}

/**
 * @param argv without node and the program
 * @throws USAGE; NOT_FOUND when there is no such session file
 */
export async function parseOptions(argv: readonly string[], now = new Date()): Promise<DemoOptions> {
  const { json, guest: guestText, session, link, out, keep } = parseWords(argv);
  const guest = parseGuest(guestText);
  const sessionFile = session === undefined ? DEFAULT_SESSION[guest] : resolve(session);
  await access(sessionFile).catch((cause: unknown) => {
    throw new HomewardError("NOT_FOUND", `there is no session file ${sessionFile}`, { cause });
  });
  return {
    json,
    guest,
    sessionFile,
    linkText: link,
    link: parseLinkSpeed(link),
    out: out === undefined ? join(REPOSITORY, "out", `demo-${timestamp(now)}`) : resolve(out),
    keep,
  };
}
