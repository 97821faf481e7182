import { EventEmitter } from "node:events";
import type { ElectronParts } from "../../electron/main/application.ts";

type Listener = (...parts: never[]) => unknown;

/** A page's frame and its contents, as Electron hands them to whoever is told of a message. */
export class FakeContents extends EventEmitter {
  readonly mainFrame: { origin: string };
  windowOpen: ((details: { url: string }) => { action: string }) | null = null;

  constructor(origin = "homeward://app") {
    super();
    this.mainFrame = { origin };
  }

  setWindowOpenHandler(handler: (details: { url: string }) => { action: string }): void {
    this.windowOpen = handler;
  }
}

export class FakeWindow extends EventEmitter {
  static all: FakeWindow[] = [];
  readonly webContents = new FakeContents();
  readonly options: Record<string, unknown>;
  loaded: string | null = null;
  shown = 0;
  minimized = false;

  constructor(options: Record<string, unknown>) {
    super();
    this.options = options;
    FakeWindow.all.push(this);
  }

  loadURL(url: string): Promise<void> {
    this.loaded = url;
    return Promise.resolve();
  }

  show(): void {
    this.shown++;
  }

  focus(): void {
    this.emit("focus");
  }

  isMinimized(): boolean {
    return this.minimized;
  }

  restore(): void {
    this.minimized = false;
  }
}

export interface MenuEntry {
  readonly label?: string;
  readonly click?: () => void;
}

/** What the app uses of the electron module, which keeps what it was told. Each has the real one's names and arguments. */
export class FakeElectron {
  readonly app = Object.assign(new EventEmitter(), {
    hasLock: true,
    hasQuit: false,
    isSandboxed: false,
    requestSingleInstanceLock: (): boolean => this.app.hasLock,
    enableSandbox: (): void => {
      this.app.isSandboxed = true;
    },
    quit: (): void => {
      this.app.hasQuit = true;
      this.app.emit("before-quit");
    },
    whenReady: (): Promise<void> => Promise.resolve(),
  });
  readonly schemes: { scheme: string }[] = [];
  readonly handled = new Map<string, Listener>();
  readonly invoked = new Map<string, Listener>();
  readonly answers: { request: Listener | null; check: Listener | null; device: Listener | null } = { request: null, check: null, device: null };
  readonly session = Object.assign(new EventEmitter(), {
    protocol: { handle: (scheme: string, handler: Listener): unknown => this.handled.set(scheme, handler) },
    setPermissionRequestHandler: (handler: Listener): void => void (this.answers.request = handler),
    setPermissionCheckHandler: (handler: Listener): void => void (this.answers.check = handler),
    setDevicePermissionHandler: (handler: Listener): void => void (this.answers.device = handler),
  });
  readonly notifications: { title: string; body: string }[] = [];
  readonly errors: string[] = [];
  trayMenu: readonly MenuEntry[] = [];
  applicationMenu: unknown = undefined;
  chosen: string[] = [];

  get parts(): ElectronParts {
    FakeWindow.all = [];
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- the classes below are constructed by others
    const fake = this;
    class Tray extends EventEmitter {
      setToolTip(): void {
        this.emit("tool-tip");
      }
      setContextMenu(menu: readonly MenuEntry[]): void {
        fake.trayMenu = menu;
      }
    }
    class Notification extends EventEmitter {
      static isSupported(): boolean {
        return true;
      }
      readonly #told: { title: string; body: string };
      constructor(told: { title: string; body: string }) {
        super();
        this.#told = told;
      }
      show(): void {
        fake.notifications.push(this.#told);
      }
    }
    return {
      app: this.app,
      BrowserWindow: FakeWindow,
      dialog: {
        showErrorBox: (_title: string, text: string) => this.errors.push(text),
        showOpenDialog: () => Promise.resolve({ canceled: this.chosen.length === 0, filePaths: this.chosen }),
      },
      ipcMain: { handle: (channel: string, handler: Listener) => this.invoked.set(channel, handler) },
      Menu: {
        setApplicationMenu: (menu: unknown) => {
          this.applicationMenu = menu;
        },
        buildFromTemplate: (template: readonly MenuEntry[]) => template,
      },
      nativeTheme: { shouldUseDarkColors: true },
      Notification,
      protocol: { registerSchemesAsPrivileged: (schemes: { scheme: string }[]) => this.schemes.push(...schemes) },
      session: { defaultSession: this.session },
      Tray,
    } as unknown as ElectronParts;
  }

  /** What a page in `contents` gets for a message. */
  async invoke(contents: FakeContents, request: unknown, frame: unknown = contents.mainFrame): Promise<unknown> {
    const handler = this.invoked.get("homeward:gateway") as ((event: unknown, request: unknown) => Promise<unknown>) | undefined;
    return handler?.({ sender: contents, senderFrame: frame }, request);
  }

  /** What `homeward://…` answers. */
  fetch(url: string, method = "GET"): Response {
    const handler = this.handled.get("homeward") as ((request: Request) => Response) | undefined;
    if (handler === undefined) throw new Error("no handler");
    // undici takes no such scheme, but a request is only looked at.
    return handler({ url, method } as unknown as Request);
  }
}
