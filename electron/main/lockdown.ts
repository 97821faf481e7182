import type { App, Session, WebContents } from "electron";
import { APP_ORIGIN } from "../../protocol/control.ts";

/** Nothing the pages could ask a person to allow is needed. */
export function denyPermissions(session: Session): void {
  session.setPermissionRequestHandler((_contents, _permission, answer) => {
    answer(false);
  });
  // Full screen and the clipboard's text, for the console, are asked for by the app's own pages only.
  session.setPermissionCheckHandler((_contents, permission, origin) => isGranted(permission, origin));
  session.setDevicePermissionHandler(() => false);
  // What a page made itself, such as a report, may be saved; Electron asks where.
  session.on("will-download", (event, item) => {
    if (!item.getURL().startsWith(`blob:${APP_ORIGIN}/`)) event.preventDefault();
  });
}

function isGranted(permission: string, origin: string): boolean {
  return (permission === "fullscreen" || permission === "clipboard-sanitized-write") && originOf(origin) === APP_ORIGIN;
}

/** `URL.origin` is "null" for schemes that no browser knows. */
export function originOf(url: string): string {
  if (!URL.canParse(url)) return "";
  const { protocol, host } = new URL(url);
  return `${protocol}//${host}`;
}

function lock(contents: WebContents): void {
  const stay = (event: { preventDefault: () => void }, url: string): void => {
    if (originOf(url) !== APP_ORIGIN) event.preventDefault();
  };
  contents.on("will-navigate", (event) => {
    stay(event, event.url);
  });
  contents.on("will-redirect", (event) => {
    stay(event, event.url);
  });
  contents.on("will-frame-navigate", (event) => {
    stay(event, event.url);
  });
  contents.on("will-attach-webview", (event) => {
    event.preventDefault();
  });
  contents.setWindowOpenHandler(() => ({ action: "deny" }));
}

/** No window of this app ever shows anything but the app's own pages. To be called before the first window is made. */
export function lockContents(app: App): void {
  app.on("web-contents-created", (_event, contents) => {
    lock(contents);
  });
}
