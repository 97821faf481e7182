import { contextBridge, ipcRenderer, webUtils } from "electron";
import type { GatewayRequest, HomewardBridge } from "../gateway.ts";

/** Runs beside the pages, sandboxed: hands them three functions, and nothing that could be called in another way. */

// A copy: this file is bundled without what gateway.ts needs to check requests. The app's own process checks them.
const CHANNEL = "homeward:gateway";

function ask<T>(request: GatewayRequest): Promise<T> {
  return ipcRenderer.invoke(CHANNEL, request) as Promise<T>;
}

const bridge: HomewardBridge = {
  openSession: (start) => ask({ kind: "open-session", start }),
  chooseImage: () => ask({ kind: "choose-image" }),
  pathOf: (file) => webUtils.getPathForFile(file),
};

contextBridge.exposeInMainWorld("homeward", bridge);
