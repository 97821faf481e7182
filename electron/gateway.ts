import { z } from "zod";

/**
 * What a page may ask the app's own process, over one channel. Everything else it does over the control API, as in a
 * browser.
 */
export const GATEWAY_CHANNEL = "homeward:gateway";

export const gatewayRequestSchema = z.discriminatedUnion("kind", [
  /** A session with the service. `start`: one is started if none runs. */
  z.strictObject({ kind: z.literal("open-session"), start: z.boolean() }),
  /** The system's dialog for choosing a disk image. */
  z.strictObject({ kind: z.literal("choose-image") }),
]);
export type GatewayRequest = z.output<typeof gatewayRequestSchema>;

/** Where the service serves the control API, and the token that opens WebSockets there (see protocol/control/web.ts). */
export interface ServiceSession {
  /** Such as "http://127.0.0.1:34567". */
  readonly origin: string;
  readonly token: string;
}

export interface GatewayResults {
  readonly "open-session": ServiceSession;
  /** Absolute path; null if the person chose none. */
  readonly "choose-image": string | null;
}

/** Exceptions do not cross between processes whole, so what failed is said in the answer. */
export type GatewayAnswer<K extends GatewayRequest["kind"]> =
  | { readonly ok: true; readonly value: GatewayResults[K] }
  | { readonly ok: false; readonly code: string; readonly message: string; readonly hint: string | null };

/** `window.homeward` in the app's pages; there is none in a browser. */
export interface HomewardBridge {
  readonly openSession: (start: boolean) => Promise<GatewayAnswer<"open-session">>;
  readonly chooseImage: () => Promise<GatewayAnswer<"choose-image">>;
  /** Path of a file that was dropped into the window; empty if it is none of this computer's. */
  readonly pathOf: (file: File) => string;
}
