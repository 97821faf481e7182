import { readFile } from "node:fs/promises";
import { homedir, hostname } from "node:os";
import { join } from "node:path";
import { HomewardError } from "../../common/errors.ts";

/** Where an X server listens: "[HOST]:NUMBER[.SCREEN]", X(7). */
export interface DisplayName {
  /** Empty for this computer. */
  readonly host: string;
  readonly number: number;
}

/** What the X server wants to see at the beginning: name and data of an authorization protocol; empty if none is known. */
export interface Authorization {
  readonly name: Buffer;
  readonly data: Buffer;
}

const MAX_AUTHORITY_BYTES = 1024 * 1024;
const FAMILY_LOCAL = 256;
const FAMILY_WILD = 65535;
const COOKIE = "MIT-MAGIC-COOKIE-1";

/** @throws USAGE if it is not the name of a display */
export function parseDisplay(text: string): DisplayName {
  const [, host, number] = /^(?:unix|([\w.-]*)):(\d{1,5})(?:\.\d+)?$/.exec(text) ?? [];
  if (number === undefined) throw new HomewardError("USAGE", `"${text.slice(0, 80)}" is not the name of an X display`);
  return { host: host ?? "", number: Number(number) };
}

/**
 * Finds the cookie of a display in the entries of an Xauthority file, Xau(3): family, then address, display number, name
 * and data, each with its length, all big-endian. An entry that is cut off ends the search.
 */
export function findCookie(file: Buffer, display: DisplayName, thisHost: string): Authorization {
  let at = 0;
  const u16 = (): number => {
    const value = at + 2 <= file.length ? file.readUInt16BE(at) : 0;
    at += 2;
    return value;
  };
  const counted = (): Buffer => {
    const length = u16();
    at += length;
    return file.subarray(at - length, at);
  };
  while (at + 10 <= file.length) {
    const family = u16();
    const [address, number, name, data] = [counted(), counted(), counted(), counted()];
    if (at > file.length) break;
    const ours = family === FAMILY_WILD || (family === FAMILY_LOCAL && address.toString() === thisHost);
    const same = number.length === 0 || number.toString() === String(display.number);
    if (ours && same && name.toString() === COOKIE) return { name, data };
  }
  return { name: Buffer.alloc(0), data: Buffer.alloc(0) };
}

/** An Xauthority file with one cookie, for whatever display it is used with. */
export function cookieFile(data: Buffer): Buffer {
  const counted = (bytes: Buffer): Buffer[] => [Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes];
  const [any, name] = [Buffer.alloc(0), Buffer.from(COOKIE)];
  return Buffer.concat([Buffer.from([0xff, 0xff]), ...[any, any, name, data].flatMap(counted)]);
}

/** The cookie that this user has for a display; none if there is no such file, which a server may accept. */
export async function readCookie(display: DisplayName, env: NodeJS.ProcessEnv): Promise<Authorization> {
  const path = env["XAUTHORITY"] ?? join(env["HOME"] ?? homedir(), ".Xauthority");
  const file = await readFile(path).catch(() => Buffer.alloc(0));
  return findCookie(file.subarray(0, MAX_AUTHORITY_BYTES), display, hostname());
}
