import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

/** Where the keys of a workspace's input logs are. */
export interface LogKeyPlace {
  /** Folder of key files (0700), apart from the logs. */
  readonly dir: string;
  /** What tells this workspace from all others, for good: letters and digits. */
  readonly workspace: string;
}

const CIPHER = "aes-256-gcm";
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** By how much a sealed segment is longer than the segment. */
export const SEALED_EXTRA_BYTES = NONCE_BYTES + TAG_BYTES;

function syncDir(path: string): void {
  const dir = openSync(path, "r");
  try {
    fsyncSync(dir);
  } finally {
    closeSync(dir);
  }
}

function writeSynced(path: string, data: Buffer, flags: "w" | "r+"): void {
  const file = openSync(path, flags, 0o600);
  try {
    writeSync(file, data, 0, data.length, 0);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function readKey(path: string): Buffer | null {
  try {
    const key = readFileSync(path);
    return key.length === KEY_BYTES ? key : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/**
 * The keys that input logs are encrypted with, one for each workspace and generation: without its key a log is noise, so
 * removing the key forgets the log wherever copies of it are. Everything about keys is in here; a keyring would take the
 * place of the files. For a worker thread: it waits for the disk.
 */
export class LogKeys {
  readonly #place: LogKeyPlace;
  readonly #known = new Map<string, Buffer>();

  constructor(place: LogKeyPlace) {
    this.#place = place;
  }

  #path(generation: string): string {
    if (!/^[0-9a-z]+$/.test(generation)) throw new Error("not the name of a generation");
    return join(this.#place.dir, `${this.#place.workspace}-${generation}`);
  }

  /** Null if there is none, or what is there is no key. */
  #key(generation: string): Buffer | null {
    const key = this.#known.get(generation) ?? readKey(this.#path(generation));
    if (key !== null) this.#known.set(generation, key);
    return key;
  }

  /** On disk for good when this returns: a segment must never outlast the making of its key. */
  #newKey(generation: string): Buffer {
    const path = this.#path(generation);
    const key = randomBytes(KEY_BYTES);
    mkdirSync(this.#place.dir, { recursive: true, mode: 0o700 });
    writeSynced(`${path}.new`, key, "w");
    renameSync(`${path}.new`, path);
    syncDir(this.#place.dir);
    this.#known.set(generation, key);
    return key;
  }

  /** A segment belongs to one place in one log; put anywhere else it does not open. */
  #bound(generation: string, seq: number): Buffer {
    return Buffer.from(JSON.stringify(["homeward input log", this.#place.workspace, generation, seq]));
  }

  /** Nonce, then the encrypted segment, then the tag. The first of a generation makes its key. */
  seal(generation: string, seq: number, segment: Uint8Array): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key(generation) ?? this.#newKey(generation), nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(this.#bound(generation, seq));
    return Buffer.concat([nonce, cipher.update(segment), cipher.final(), cipher.getAuthTag()]);
  }

  /** Null if it is not what `seal` made for this place with this key. */
  open(generation: string, seq: number, sealed: Uint8Array): Buffer | null {
    const key = this.#key(generation);
    if (key === null || sealed.length < SEALED_EXTRA_BYTES) return null;
    const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAAD(this.#bound(generation, seq));
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    const segment = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES));
    try {
      return Buffer.concat([segment, decipher.final()]);
    } catch {
      return null;
    }
  }

  /** The key is overwritten and removed; on disk when this returns. */
  #remove(names: readonly string[]): void {
    for (const name of names) {
      const path = join(this.#place.dir, name);
      writeSynced(path, Buffer.alloc(KEY_BYTES), "r+");
      rmSync(path);
    }
    if (names.length > 0) syncDir(this.#place.dir);
  }

  #names(prefix: string): string[] {
    try {
      return readdirSync(this.#place.dir).filter((name) => name.startsWith(prefix));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  }

  /** Nobody can read that generation's log any more. */
  forget(generation: string): void {
    this.#known.delete(generation);
    const name = `${this.#place.workspace}-${generation}`;
    this.#remove(this.#names(name).filter((found) => found === name || found === `${name}.new`));
  }

  /** Nobody can read any log of this workspace any more. */
  forgetAll(): void {
    this.#known.clear();
    this.#remove(this.#names(`${this.#place.workspace}-`));
  }
}
