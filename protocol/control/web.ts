import { z } from "zod";

/**
 * How a browser and the desktop app reach the control API: HTTP on 127.0.0.1. A one-time code, which `homeward ui` got over
 * the control socket, is exchanged for a session's token; the token opens WebSockets. See docs/protocol.md.
 */

/** POST `{code}` gives `{token}`; GET with `Authorization: Bearer TOKEN` answers 204, or 401 for one that is not valid. */
export const SESSION_PATH = "/session/v1";
/** `/console/v1/NAME`: VNC (RFB) with the console of a running workspace, in binary messages. */
export const CONSOLE_PATH = "/console/v1/";
/** The link's fragment is this and the code; fragments are never sent to a server. */
export const CODE_FRAGMENT = "#code=";
/** Where the pages of the desktop app come from; the only foreign origin that is let in. */
export const APP_ORIGIN = "homeward://app";
/** WebSocket subprotocols: what is spoken, and the token, which pages cannot send in a header of their own. */
export const CONTROL_PROTOCOL = "homeward.control.v1";
export const CONSOLE_PROTOCOL = "binary";
export const TOKEN_PROTOCOL_PREFIX = "homeward.token.";

/** 32 random bytes in base64url. */
export const secretSchema = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
export const exchangeSchema = z.strictObject({ code: secretSchema });
export const sessionSchema = z.strictObject({ token: secretSchema });

/** A one-time link to the pages. */
export const uiLinkSchema = z.strictObject({
  /** With the code; who has it gets in. */
  url: z.url().max(300),
  /** A file for this user only that leads there: its name may be passed to a program, where others could read the link. */
  page: z.string().min(1).max(4096),
  expiresAt: z.iso.datetime(),
});
export type UiLink = Readonly<z.output<typeof uiLinkSchema>>;
