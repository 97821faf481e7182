import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { HomewardError } from "../../common/errors.ts";
import { run } from "../../common/spawn.ts";
import { formatHostId } from "../../protocol/host-id.ts";
import { exists, writeFileDurably } from "../store/durable.ts";

/** Who this host is for others: a key and a certificate for it, which only says which key it is. */
export interface Identity {
  /** PEM. */
  readonly key: string;
  /** PEM. */
  readonly certificate: string;
  readonly id: string;
}

const OPENSSL_MS = 30_000;
/** Key and certificate of P-256 are some 900 bytes. */
const MAX_BYTES = 16_384;

/** A hundred years: the ID ends with its last pairing, not at a date. */
const ARGUMENTS = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days 36500 -subj /CN=homeward -keyout -";

/** The ID of whoever has the key of this certificate (DER). */
export function idOfCertificate(der: Uint8Array): string {
  return formatHostId(createHash("sha256").update(der).digest());
}

/**
 * The identity in the file at `path`, made when there is none. Key and certificate are one file, so that they always
 * belong together; it is written by this process because openssl's own files are open to others for a moment.
 * @throws ENVIRONMENT without openssl, DAMAGED if the file is not what it should be
 */
export async function openIdentity(path: string, signal?: AbortSignal): Promise<Identity> {
  if (!(await exists(path))) {
    const { stdout } = await run("openssl", ARGUMENTS.split(" "), {
      timeoutMs: OPENSSL_MS,
      maxOutputBytes: MAX_BYTES,
      ...(signal === undefined ? {} : { signal }),
    });
    parse(stdout.toString("latin1"), path);
    await writeFileDurably(path, stdout);
  }
  return parse((await readFile(path)).subarray(0, MAX_BYTES).toString("latin1"), path);
}

function parse(text: string, path: string): Identity {
  const key = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n/.exec(text)?.[0];
  const certificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/.exec(text)?.[0];
  try {
    if (key === undefined || certificate === undefined) throw new Error("a part is missing");
    const x509 = new X509Certificate(certificate);
    if (!x509.checkPrivateKey(createPrivateKey(key))) throw new Error("the key is another one's");
    return { key, certificate, id: idOfCertificate(x509.raw) };
  } catch (cause) {
    throw new HomewardError("DAMAGED", `${path} does not hold this host's key and certificate`, {
      cause,
      hint: "Restore it from a backup, or delete it: this host then gets a new ID and has to be paired anew everywhere.",
    });
  }
}
