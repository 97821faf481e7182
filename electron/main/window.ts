import type { BrowserWindow, BrowserWindowConstructorOptions } from "electron";
import { START_PAGE } from "./pages.ts";

/** What a window of the app is made with; pages get no Node, their own world, and the operating system's sandbox. */
export function windowOptions(preload: string, icon: string, dark: boolean): BrowserWindowConstructorOptions {
  return {
    width: 1180,
    height: 800,
    minWidth: 480,
    minHeight: 420,
    title: "Homeward",
    icon,
    show: false,
    autoHideMenuBar: true,
    // No white flash before the first page is painted.
    backgroundColor: dark ? "#16181d" : "#f6f7f9",
    webPreferences: {
      preload,
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webSecurity: true,
      allowRunningInsecureContent: false,
      experimentalFeatures: false,
      webviewTag: false,
      navigateOnDragDrop: false,
      spellcheck: false,
      // A console that is not looked at must still follow its machine.
      backgroundThrottling: false,
    },
  };
}

/** Shows the start page once there is something to see. */
export function showStartPage(window: BrowserWindow): void {
  window.once("ready-to-show", () => {
    window.show();
  });
  void window.loadURL(START_PAGE);
}
