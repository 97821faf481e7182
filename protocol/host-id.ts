import { HomewardError } from "../common/errors.ts";

/**
 * A host's ID: the SHA-256 of its certificate (DER), written so that people can read it out and type it. 52 base32 digits
 * (RFC 4648, no padding), a check digit after each 13 of them (Luhn modulo 32), in 8 groups of 7.
 */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HASH_BYTES = 32;
const DIGITS = 52;
const CHECKED_DIGITS = 13;
const WRITTEN_DIGITS = DIGITS + DIGITS / CHECKED_DIGITS;
const GROUP = 7;
/** Longest text that is looked at: every digit with a separator. */
const MAX_TEXT = 2 * WRITTEN_DIGITS;

/** Digits that look like ones of the alphabet. */
const LOOK_ALIKES: Readonly<Record<string, string>> = { "0": "O", "1": "I", "8": "B" };

function base32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    for (; bits >= 5; bits -= 5) text += ALPHABET.charAt((held >> (bits - 5)) & 31);
    held &= (1 << bits) - 1;
  }
  return bits === 0 ? text : text + ALPHABET.charAt((held << (5 - bits)) & 31);
}

function fromBase32(text: string): Uint8Array {
  const bytes = new Uint8Array(HASH_BYTES);
  let at = 0;
  let bits = 0;
  let held = 0;
  for (const digit of text) {
    held = (held << 5) | ALPHABET.indexOf(digit);
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = held >> bits;
    held &= (1 << bits) - 1;
  }
  return bytes;
}

/** Luhn's check digit in base 32: finds every single wrong digit and most swapped neighbours. */
function checkDigit(digits: string): string {
  let sum = 0;
  for (const [index, digit] of Array.from(digits).entries()) {
    const addend = ALPHABET.indexOf(digit) * (index % 2 === 0 ? 1 : 2);
    sum += Math.floor(addend / 32) + (addend % 32);
  }
  return ALPHABET.charAt((32 - (sum % 32)) % 32);
}

/** @param hash SHA-256, 32 bytes */
export function formatHostId(hash: Uint8Array): string {
  const checked = base32(hash).replaceAll(/.{13}/g, (digits) => digits + checkDigit(digits));
  return checked.replaceAll(/.{7}(?=.)/g, "$&-");
}

/** The digits as the alphabet has them, of what was typed. */
function digitsOf(text: string): string {
  return text
    .slice(0, MAX_TEXT + 1)
    .toUpperCase()
    .replaceAll(/[-\s]/g, "")
    .replaceAll(/[018]/g, (digit) => LOOK_ALIKES[digit] ?? digit);
}

function requireCheckDigits(digits: string): void {
  for (let at = 0; at + CHECKED_DIGITS < digits.length; at += CHECKED_DIGITS + 1)
    if (checkDigit(digits.slice(at, at + CHECKED_DIGITS)) !== digits[at + CHECKED_DIGITS])
      throw new HomewardError("USAGE", `the host ID has a mistake in its groups ${at / GROUP + 1} and ${at / GROUP + 2}`, {
        hint: "Compare them with what the other host shows.",
      });
}

/**
 * Looks at an ID that is still being typed, as far as check digits were reached.
 * @returns how many of its digits are there @throws USAGE with the groups that are wrong
 */
export function checkHostIdStart(text: string): { readonly digits: number; readonly of: number } {
  const digits = digitsOf(text);
  if (!/^[A-Z2-7]*$/.test(digits)) throw new HomewardError("USAGE", "a host ID has only letters and the digits 2 to 7");
  requireCheckDigits(digits);
  return { digits: digits.length, of: WRITTEN_DIGITS };
}

/**
 * Reads an ID as people type it: in any case, with any dashes and spaces, and with 0, 1 and 8 for O, I and B.
 * @returns the ID as `formatHostId` writes it
 * @throws USAGE with the group that is wrong
 */
export function parseHostId(text: string): string {
  const digits = digitsOf(text);
  if (text.length > MAX_TEXT || digits.length !== WRITTEN_DIGITS || !/^[A-Z2-7]*$/.test(digits))
    throw new HomewardError("USAGE", "this is not a host ID", {
      hint: `It has ${WRITTEN_DIGITS / GROUP} groups of ${GROUP} letters and digits; "homeward hosts" shows it on the other host.`,
    });
  requireCheckDigits(digits);
  let bare = "";
  for (let at = 0; at < WRITTEN_DIGITS; at += CHECKED_DIGITS + 1) bare += digits.slice(at, at + CHECKED_DIGITS);
  const id = formatHostId(fromBase32(bare));
  // The last digit holds one bit of the hash; another one there would be a second way to write the same ID.
  if (id.replaceAll("-", "") !== digits) throw new HomewardError("USAGE", "the host ID has a mistake in its last group");
  return id;
}
