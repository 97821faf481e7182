/** What the pages use of noVNC 1.7 (docs/API.md there). */
declare module "@novnc/novnc" {
  export default class RFB extends EventTarget {
    /** Connects at once. Events: "connect", "disconnect", "securityfailure". */
    constructor(target: HTMLElement, channel: WebSocket, options?: { readonly shared?: boolean });
    scaleViewport: boolean;
    background: string;
    /** @param code as KeyboardEvent.code @param down a press and a release if it is not given */
    sendKey(keysym: number, code: string, down?: boolean): void;
    focus(): void;
    disconnect(): void;
  }
}
