import type { IpcMain, IpcMainInvokeEvent, WebContents } from "electron";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import { APP_ORIGIN } from "../../protocol/control.ts";
import { GATEWAY_CHANNEL, gatewayRequestSchema, type GatewayRequest, type GatewayResults } from "../gateway.ts";

export type GatewayHandlers = {
  readonly [K in GatewayRequest["kind"]]: (request: Extract<GatewayRequest, { kind: K }>) => Promise<GatewayResults[K]>;
};

/** Whether a message comes from the main frame of the app's own window, showing the app's own pages. */
export function isOwnPage({ sender, senderFrame }: IpcMainInvokeEvent, window: WebContents | null): boolean {
  if (window === null || sender !== window) return false;
  return senderFrame !== null && senderFrame === sender.mainFrame && senderFrame.origin === APP_ORIGIN;
}

/**
 * The one way from pages into this process: who asks and what is asked are checked, and what fails is answered.
 * @param window the app's own window; null while there is none
 */
export function openGateway(ipc: IpcMain, window: () => WebContents | null, handlers: GatewayHandlers): void {
  ipc.handle(GATEWAY_CHANNEL, async (event, ...parts: unknown[]) => {
    try {
      if (!isOwnPage(event, window())) throw new HomewardError("USAGE", "only Homeward's own pages may ask this");
      const request = gatewayRequestSchema.safeParse(parts[0]);
      if (!request.success || parts.length !== 1) throw new HomewardError("USAGE", "there is no such request");
      return { ok: true, value: await answer(handlers, request.data) };
    } catch (thrown) {
      const { code, message, hint } = toHomewardError(thrown);
      return { ok: false, code, message, hint: hint ?? null };
    }
  });
}

/** Each kind with its own handler; TypeScript does not follow the link between the two. */
function answer(handlers: GatewayHandlers, request: GatewayRequest): Promise<unknown> {
  return request.kind === "open-session" ? handlers["open-session"](request) : handlers["choose-image"](request);
}
