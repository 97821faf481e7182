import type { IncomingHttpHeaders } from "node:http";
import { APP_ORIGIN, secretSchema, TOKEN_PROTOCOL_PREFIX } from "../../protocol/control.ts";

/** The names under which the pages may be asked for, and nothing else: a name that a stranger's DNS leads here is none. */
export function allowedHosts(port: number): readonly string[] {
  return [`127.0.0.1:${port}`, `localhost:${port}`];
}

/** A request under another name than our own comes from a page whose host name was bound to this address (DNS rebinding). */
export function isOwnHost({ host }: IncomingHttpHeaders, port: number): boolean {
  return host !== undefined && allowedHosts(port).includes(host);
}

/** Whether a request was made by our own pages: their origin is the very one it goes to, or the desktop app's. */
export function isOwnOrigin({ host, origin }: IncomingHttpHeaders): boolean {
  return origin !== undefined && (origin === APP_ORIGIN || origin === `http://${host ?? ""}`);
}

/** What a page asks a WebSocket to speak, and the token that it sends among it. */
export function webSocketProtocols(headers: IncomingHttpHeaders): { readonly token: string | null; readonly offered: readonly string[] } {
  const all = (headers["sec-websocket-protocol"] ?? "").split(",").map((part) => part.trim());
  const tokens = all.filter((part) => part.startsWith(TOKEN_PROTOCOL_PREFIX));
  const token = secretSchema.safeParse(tokens[0]?.slice(TOKEN_PROTOCOL_PREFIX.length));
  return {
    token: tokens.length === 1 && token.success ? token.data : null,
    offered: all.filter((part) => !part.startsWith(TOKEN_PROTOCOL_PREFIX)),
  };
}

/** The token of `Authorization: Bearer TOKEN`. */
export function bearerToken({ authorization = "" }: IncomingHttpHeaders): string | null {
  const token = secretSchema.safeParse(/^Bearer (.*)$/.exec(authorization)?.[1]);
  return token.success ? token.data : null;
}
