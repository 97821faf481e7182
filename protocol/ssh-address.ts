import { isIPv6 } from "node:net";
import { HomewardError } from "../common/errors.ts";
import { formatPeerAddress, parsePeerAddress } from "./peer-address.ts";

/** Where a host is reached through the system's ssh. */
export interface SshAddress {
  /** null: whom ssh's own settings say. */
  readonly user: string | null;
  /** A name, an alias of ssh's settings, or an IP address. */
  readonly host: string;
  /** null: which ssh's own settings say. */
  readonly port: number | null;
}

const SCHEME = "ssh://";
/** What is not listed is refused: nothing that ssh, a shell or a terminal reads as anything but a name gets through. */
const USER = "[A-Za-z_][A-Za-z0-9_.-]{0,31}";
const HOST = "[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?";
const PATTERN = new RegExp(`^(?:(${USER})@)?(?:\\[([0-9A-Fa-f:.]{2,45})\\]|(${HOST}))(?::(\\d{1,5}))?$`);

export function isSshAddress(text: string): boolean {
  return text.startsWith(SCHEME);
}

/**
 * Reads ssh://[USER@]HOST[:PORT]; an IPv6 address is in brackets.
 * @throws USAGE
 */
export function parseSshAddress(text: string): SshAddress {
  const [, user, six, name, digits] = isSshAddress(text) ? (PATTERN.exec(text.slice(SCHEME.length)) ?? []) : [];
  const host = six ?? name;
  const port = digits === undefined ? null : Number(digits);
  if (host === undefined || (six !== undefined && !isIPv6(six)) || port === 0 || (port ?? 1) > 65_535)
    throw new HomewardError("USAGE", `"${text.slice(0, 300)}" is not an address for ssh`, {
      hint: "Write it as ssh://HOST, ssh://USER@HOST or ssh://USER@HOST:PORT.",
    });
  return { user: user ?? null, host, port };
}

export function formatSshAddress({ user, host, port }: SshAddress): string {
  const place = isIPv6(host) ? `[${host}]` : host;
  return `${SCHEME}${user === null ? "" : `${user}@`}${place}${port === null ? "" : `:${port}`}`;
}

/** The address of a host in either form, written in the one way. @throws USAGE */
export function normalAddress(text: string): string {
  return isSshAddress(text) ? formatSshAddress(parseSshAddress(text)) : formatPeerAddress(parsePeerAddress(text));
}
