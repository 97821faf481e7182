/**
 * The electron module for the bundled app's own process, run by plain Node: as much of it as the app uses, and a page that
 * asks for a session and opens the control API with it. Prints what it got, as one line of JSON, and quits.
 */
export const FAKE_ELECTRON = String.raw`
import { EventEmitter } from "node:events";
import { WebSocket } from "ws";

class Emitter extends EventEmitter {}
const handlers = new Map();
export const app = Object.assign(new Emitter(), {
  isPackaged: false,
  requestSingleInstanceLock: () => true,
  enableSandbox: () => undefined,
  whenReady: () => Promise.resolve(),
  quit: () => app.emit("before-quit"),
});
const frame = { origin: "homeward://app" };
const contents = Object.assign(new Emitter(), { mainFrame: frame });
export class BrowserWindow extends Emitter {
  webContents = contents;
  show() {}
  focus() {}
  isMinimized() { return false; }
  async loadURL(url) {
    const page = await pages({ url, method: "GET" });
    const answer = await handlers.get("homeward:gateway")({ sender: contents, senderFrame: frame }, { kind: "open-session", start: true });
    const told = { page: page.status, answer: { ...answer, value: undefined } };
    if (answer.ok) told.status = await askStatus(answer.value);
    process.stdout.write(JSON.stringify(told) + "\n");
    app.quit();
  }
}
function askStatus({ origin, token }) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(new URL("/control/v1", origin.replace("http", "ws")), ["homeward.control.v1", "homeward.token." + token], { origin: "homeward://app" });
    socket.on("open", () => socket.send(JSON.stringify({ id: 1, method: "status", params: {} })));
    socket.on("message", (data) => { socket.close(); resolve(JSON.parse(data).result); });
    socket.on("error", reject);
  });
}
let pages;
export const session = { defaultSession: Object.assign(new Emitter(), {
  protocol: { handle: (_scheme, handler) => { pages = handler; } },
  setPermissionRequestHandler() {}, setPermissionCheckHandler() {}, setDevicePermissionHandler() {},
}) };
export const protocol = { registerSchemesAsPrivileged() {} };
export const ipcMain = { handle: (channel, handler) => handlers.set(channel, handler) };
export const dialog = { showErrorBox: (title, text) => { process.stderr.write(title + ": " + text + "\n"); } };
export const Menu = { setApplicationMenu() {}, buildFromTemplate: (template) => template };
export const nativeTheme = { shouldUseDarkColors: false };
export class Notification extends Emitter { static isSupported() { return false; } }
export class Tray extends Emitter { setToolTip() {} setContextMenu() {} }
`;
