import { constants } from "node:crypto";
import type { Duplex } from "node:stream";
import { connect, type CommonConnectionOptions, type SecureContextOptions, type TLSSocket } from "node:tls";
import { abortReason, withTimeout } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import type { PairedHost } from "../../protocol/control.ts";
import { parsePeerAddress } from "../../protocol/peer-address.ts";
import { idOfCertificate, type Identity } from "./identity.ts";

/** What is spoken inside; anything else that knows TLS is sent away by this. */
export const ALPN = "homeward/1";
const DIAL_MS = 10_000;

/**
 * Both ends' settings. Certificates are their own issuers, so Node's own verdict on them means nothing and is not asked
 * for: what counts is `certifiedId`, which each end compares before it sends or serves a byte. The handshake itself proves
 * that the other end has the certificate's key.
 */
export function tlsOptions({ key, certificate }: Identity): SecureContextOptions & CommonConnectionOptions {
  return {
    key,
    cert: certificate,
    minVersion: "TLSv1.3",
    maxVersion: "TLSv1.3",
    ALPNProtocols: [ALPN],
    requestCert: true,
    rejectUnauthorized: false,
    // A resumed session brings no certificate of its own.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/** The ID of the host at the other end of a completed handshake; null if it is not one that can be trusted to have it. */
export function certifiedId(socket: TLSSocket): string | null {
  if (socket.getProtocol() !== "TLSv1.3" || socket.isSessionReused() || socket.alpnProtocol !== ALPN) return null;
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? null : idOfCertificate(certificate.raw);
}

/** What leads to a host: its port, or a stream that something else opened. */
type Way = { readonly host: string; readonly port: number } | { readonly socket: Duplex };

/**
 * A connection to a paired host, on which nothing was sent yet.
 * @throws PEER if nothing answers there, or another than that host
 */
export function dialTls(identity: Identity, host: PairedHost, signal?: AbortSignal): Promise<TLSSocket> {
  return handshake(identity, host, parsePeerAddress(host.address), {
    timeoutMs: DIAL_MS,
    ...(signal === undefined ? {} : { signal }),
  });
}

/** The handshake with a paired host. @throws PEER, with `data.ended` if the way there broke off */
export function handshake(
  identity: Identity,
  { name, id, address }: PairedHost,
  way: Way,
  { signal, timeoutMs }: { readonly signal?: AbortSignal; readonly timeoutMs: number },
): Promise<TLSSocket> {
  const socket = connect({ ...tlsOptions(identity), ...way });
  const onAbort = (): void => {
    socket.destroy(signal === undefined ? undefined : abortReason(signal));
  };
  const connected = new Promise<TLSSocket>((resolve, reject) => {
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    socket.once("secureConnect", () => {
      const found = certifiedId(socket);
      if (found === id) resolve(socket);
      else reject(stranger(name, address, found));
    });
    // Stays attached: an error between now and the first listener of the new owner must not end the process.
    socket.on("error", (cause) => {
      reject(cause instanceof HomewardError ? cause : unreachable(name, address, cause));
    });
    socket.once("close", () => {
      reject(unreachable(name, address));
    });
  });
  return withTimeout(connected, timeoutMs, name)
    .then((secure) => {
      secure.setNoDelay(true);
      return secure;
    })
    .catch((error: unknown) => {
      socket.destroy();
      throw error;
    })
    .finally(() => signal?.removeEventListener("abort", onAbort));
}

function stranger(name: string, address: string, found: string | null): HomewardError {
  return new HomewardError("PEER", `who answers at ${address} is not ${name}: its certificate is another one`, {
    hint: `Nothing was sent. If ${name} really got a new ID: homeward unpair ${name}, then pair it with the new one.`,
    data: { address, found },
  });
}

function unreachable(name: string, address: string, cause?: unknown): HomewardError {
  return new HomewardError("PEER", `${name} cannot be reached`, {
    cause,
    hint: `Is its service running with --listen, and is ${address} its address?`,
    data: { address, ended: true },
  });
}
