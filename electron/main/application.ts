import type * as Electron from "electron";
import { toHomewardError } from "../../common/errors.ts";
import type { ServiceStatus } from "../../protocol/control.ts";
import { Arrivals } from "./arrivals.ts";
import { openGateway } from "./gateway.ts";
import type { Installation } from "./installation.ts";
import { denyPermissions, lockContents } from "./lockdown.ts";
import { APP_SCHEME, readPages, servePages } from "./pages.ts";
import type { ServiceAccess } from "./service.ts";
import { Stalls } from "./stalls.ts";
import { texts } from "./texts.ts";
import { trayMenu } from "./tray.ts";
import { watchService } from "./watcher.ts";
import { showStartPage, windowOptions } from "./window.ts";

/** The parts of Electron that the app uses. */
export type ElectronParts = Pick<
  typeof Electron,
  "app" | "BrowserWindow" | "dialog" | "ipcMain" | "Menu" | "nativeTheme" | "Notification" | "protocol" | "session" | "Tray"
>;

/** Disk images that can be imported; anything else can still be chosen as "all files". */
const IMAGE_EXTENSIONS = ["qcow2", "img", "raw", "vmdk", "vdi"];

/** The desktop app: one window, a tray icon, notifications. Machines and moves are the service's, and outlive it. */
export class Application {
  readonly #electron: ElectronParts;
  readonly #installation: Installation;
  readonly #service: ServiceAccess;
  readonly #arrivals = new Arrivals();
  readonly #stalls = new Stalls();
  readonly #quitting = new AbortController();
  #window: Electron.BrowserWindow | null = null;
  #tray: Electron.Tray | null = null;

  constructor(electron: ElectronParts, installation: Installation, service: ServiceAccess) {
    this.#electron = electron;
    this.#installation = installation;
    this.#service = service;
  }

  /** Returns when the app shows its window; false if it runs already, whose window is shown then. */
  async start(): Promise<boolean> {
    const { app, protocol, ipcMain } = this.#electron;
    if (!app.requestSingleInstanceLock()) {
      app.quit();
      return false;
    }
    protocol.registerSchemesAsPrivileged([APP_SCHEME]);
    app.enableSandbox();
    lockContents(app);
    app.on("second-instance", () => {
      this.#open();
    });
    app.on("activate", () => {
      this.#open();
    });
    // The tray stays: a workspace that arrives is told of although no window is open.
    app.on("window-all-closed", () => undefined);
    app.on("before-quit", () => {
      this.#quitting.abort();
    });
    openGateway(ipcMain, () => this.#window?.webContents ?? null, {
      "open-session": ({ start }) => this.#service.openSession(start),
      "choose-image": () => this.#chooseImage(),
    });
    await app.whenReady();
    try {
      await this.#show();
    } catch (thrown) {
      this.#electron.dialog.showErrorBox(texts.failedTitle, toHomewardError(thrown).message);
      app.quit();
      return false;
    }
    return true;
  }

  async #show(): Promise<void> {
    const { Menu, session } = this.#electron;
    denyPermissions(session.defaultSession);
    servePages(session.defaultSession, await readPages(this.#installation.pages));
    // Nothing of the usual menu is needed, and its reload and developer tools neither.
    Menu.setApplicationMenu(null);
    this.#openTray();
    this.#open();
    void watchService(
      () => this.#service.running(),
      (status) => {
        this.#onStatus(status);
      },
      this.#quitting.signal,
    );
  }

  #open(): void {
    const { BrowserWindow, nativeTheme } = this.#electron;
    if (this.#window !== null) {
      if (this.#window.isMinimized()) this.#window.restore();
      this.#window.show();
      this.#window.focus();
      return;
    }
    const { preload, icon } = this.#installation;
    const window = new BrowserWindow(windowOptions(preload, icon, nativeTheme.shouldUseDarkColors));
    this.#window = window;
    window.once("closed", () => {
      this.#window = null;
    });
    showStartPage(window);
  }

  #openTray(): void {
    this.#tray = new this.#electron.Tray(this.#installation.icon);
    this.#tray.setToolTip(texts.appName);
    this.#tray.on("click", () => {
      this.#open();
    });
    this.#showInTray(null);
  }

  #showInTray(status: ServiceStatus | null): void {
    const template = trayMenu(status, {
      open: () => {
        this.#open();
      },
      quit: () => {
        this.#electron.app.quit();
      },
    });
    this.#tray?.setContextMenu(this.#electron.Menu.buildFromTemplate(template));
  }

  #onStatus(status: ServiceStatus | null): void {
    this.#showInTray(status);
    if (status === null) return;
    for (const { workspace, from, running } of this.#arrivals.next(status))
      this.#notify(texts.arrivedTitle(workspace), texts.arrivedBody(from, running));
    for (const workspace of this.#stalls.next(status)) this.#notify(texts.stalledTitle(workspace), texts.stalledBody);
  }

  #notify(title: string, body: string): void {
    const { Notification } = this.#electron;
    if (!Notification.isSupported()) return;
    const notification = new Notification({ title, body, icon: this.#installation.icon });
    notification.on("click", () => {
      this.#open();
    });
    notification.show();
  }

  async #chooseImage(): Promise<string | null> {
    const options: Electron.OpenDialogOptions = {
      title: texts.chooseImage,
      properties: ["openFile", "dontAddToRecent"],
      filters: [
        { name: texts.diskImages, extensions: IMAGE_EXTENSIONS },
        { name: texts.allFiles, extensions: ["*"] },
      ],
    };
    const { dialog } = this.#electron;
    const chosen = await (this.#window === null ? dialog.showOpenDialog(options) : dialog.showOpenDialog(this.#window, options));
    return chosen.filePaths[0] ?? null;
  }
}
