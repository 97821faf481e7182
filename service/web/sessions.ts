import { createHash, randomBytes } from "node:crypto";
import { z } from "zod";

/** A one-time link is good for this long, in milliseconds. */
export const CODE_MS = 5 * 60_000;
/** A session ends this long after it was last used. */
export const SESSION_MS = 24 * 60 * 60_000;
/** More of either are not kept: the oldest goes. */
export const MAX_CODES = 8;
export const MAX_SESSIONS = 32;

/** What is kept of a session: no token can be had from it. Times are milliseconds since 1970. */
export const storedSessionSchema = z.strictObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/), endsAt: z.number() });
export type StoredSession = z.output<typeof storedSessionSchema>;

function hashed(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/**
 * Codes of one-time links and the sessions they were exchanged for. Secrets are 32 random bytes and are looked up by their
 * SHA-256, so how long that takes says nothing about them.
 */
export class Sessions {
  readonly #codes = new Map<string, number>();
  readonly #sessions: Map<string, number>;
  readonly #now: () => number;

  constructor(stored: readonly StoredSession[] = [], now: () => number = Date.now) {
    this.#now = now;
    this.#sessions = new Map(stored.map(({ sha256, endsAt }) => [sha256, Math.min(endsAt, now() + SESSION_MS)]));
    this.#forgetOld();
  }

  #forgetOld(): void {
    const nowMs = this.#now();
    for (const kept of [this.#codes, this.#sessions])
      for (const [key, endsAt] of kept) if (endsAt <= nowMs) kept.delete(key);
  }

  /** A code for a new link, and when it ends. */
  newCode(): { readonly code: string; readonly endsAt: number } {
    this.#forgetOld();
    const code = randomBytes(32).toString("base64url");
    const endsAt = this.#now() + CODE_MS;
    this.#codes.set(hashed(code), endsAt);
    dropOldest(this.#codes, MAX_CODES);
    return { code, endsAt };
  }

  /** The token of a new session for a code, which is then spent; null for one that is not valid. */
  exchange(code: string): string | null {
    this.#forgetOld();
    if (!this.#codes.delete(hashed(code))) return null;
    const token = randomBytes(32).toString("base64url");
    this.#sessions.set(hashed(token), this.#now() + SESSION_MS);
    dropOldest(this.#sessions, MAX_SESSIONS);
    return token;
  }

  /** Whether a token is a session's, which then lasts longer. */
  use(token: string): boolean {
    this.#forgetOld();
    const key = hashed(token);
    if (!this.#sessions.delete(key)) return false;
    this.#sessions.set(key, this.#now() + SESSION_MS);
    return true;
  }

  /** To be given to the constructor by the next service. */
  stored(): StoredSession[] {
    this.#forgetOld();
    return [...this.#sessions].map(([sha256, endsAt]) => ({ sha256, endsAt }));
  }
}

/** Maps keep the order in which keys were added. */
function dropOldest(map: Map<string, number>, limit: number): void {
  for (const key of map.keys()) {
    if (map.size <= limit) return;
    map.delete(key);
  }
}
