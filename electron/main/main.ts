import { app, BrowserWindow, dialog, ipcMain, Menu, nativeTheme, Notification, protocol, session, Tray } from "electron";
import { controlSocket, defaultStateDir } from "../../protocol/state-dir.ts";
import { Application } from "./application.ts";
import { installation } from "./installation.ts";
import { ServiceAccess } from "./service.ts";

/** Entry point of the desktop app. */
const found = installation(import.meta.dirname, app.isPackaged ? process.resourcesPath : null);
const service = new ServiceAccess(controlSocket(defaultStateDir()), found.command);
const electron = { app, BrowserWindow, dialog, ipcMain, Menu, nativeTheme, Notification, protocol, session, Tray };
await new Application(electron, found, service).start();
