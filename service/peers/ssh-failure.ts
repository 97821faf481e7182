import { HomewardError } from "../../common/errors.ts";
import { printable } from "../../common/progress-display.ts";

/** How ssh ended: its exit status, and the end of what it and the program on the other side said. */
export interface SshEnd {
  readonly status: number | NodeJS.Signals;
  readonly words: string;
}

/** ssh(1): its own failures; every other status is the remote program's. */
const OWN_FAILURE = 255;
/** Of a shell that finds no such program, or may not start it. */
const NO_PROGRAM: readonly unknown[] = [126, 127];

/** What ssh says, in OpenSSH 7 to 9; the first that fits counts. */
const KNOWN: readonly (readonly [words: RegExp, what: string, hint: string])[] = [
  [
    /REMOTE HOST IDENTIFICATION HAS CHANGED/,
    "has another ssh host key than before",
    "Somebody may be in between. If the computer really has a new key: ssh-keygen -R its name, then log in once with ssh.",
  ],
  [
    /Host key verification failed|No \S+ host key is known/,
    "has an ssh host key that is not known here",
    "Log in once with ssh as the user of this service, and compare the key.",
  ],
  [
    /Permission denied/,
    "does not let this host log in with ssh",
    "It needs a key that works without being asked for a password: see ssh-copy-id(1), ssh-add(1).",
  ],
  [
    /Connection refused|timed out|No route to host|Network is unreachable|Could not resolve|Name or service not known/,
    "cannot be reached with ssh",
    "Is the computer on, its sshd running, and the address right?",
  ],
];

/** Why a connection through ssh came to nothing. @param address as it was paired */
export function sshFailure(name: string, address: string, { status, words }: SshEnd): HomewardError {
  const lines = words.split(/\r?\n/).filter((line) => line.trim() !== "");
  const last = printable((lines.at(-1) ?? `it ended with ${status}`).slice(0, 500));
  const data = { address, status, said: printable(words.slice(-1000)) };
  const known = status === OWN_FAILURE ? KNOWN.find(([pattern]) => pattern.test(words)) : undefined;
  if (known !== undefined) return new HomewardError("PEER", `${name} ${known[1]}: ${last}`, { hint: known[2], data });
  if (NO_PROGRAM.includes(status))
    return new HomewardError("PEER", `there is no homeward on ${name}, or not where its ssh logins look for programs`, {
      hint: `Install it there, or name it in ~/.ssh/authorized_keys there: command="PATH serve --stdio",restrict ssh-ed25519 ...`,
      data,
    });
  const own = lines.find((line) => line.startsWith("homeward: "));
  return new HomewardError("PEER", `${name}, through ssh: ${own === undefined ? last : printable(own.slice(10, 510))}`, {
    hint: `Does its service run? Try it: ssh HOST homeward status`,
    data,
  });
}
