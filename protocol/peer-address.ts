import { HomewardError } from "../common/errors.ts";

/** Where a host listens for others: a name or IP address, and a TCP port. */
export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

const PATTERN = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)):(\d{1,5})$/;

/** Pages use this too, where there is no node:net; both have the URL standard's parser. */
function isIPv6(text: string): boolean {
  return /^[0-9A-Fa-f:.]{2,45}$/.test(text) && URL.canParse(`http://[${text}]/`);
}

/**
 * Reads HOST:PORT; an IPv6 address is in brackets.
 * @param lowestPort 1, or 0 where the system may choose the port to listen on
 * @throws USAGE
 */
export function parsePeerAddress(text: string, lowestPort: 0 | 1 = 1): PeerAddress {
  const [, six, name, digits] = PATTERN.exec(text) ?? [];
  const host = six ?? name;
  const port = Number(digits);
  if (host === undefined || (six !== undefined && !isIPv6(six)) || port < lowestPort || port > 65_535)
    throw new HomewardError("USAGE", `"${text.slice(0, 300)}" is not an address of a host`, {
      hint: "Write it as HOST:PORT, for example home.example:7411 or [fd00::2]:7411.",
    });
  return { host, port };
}

export function formatPeerAddress({ host, port }: PeerAddress): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}
