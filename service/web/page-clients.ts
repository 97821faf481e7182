import { HomewardError } from "../../common/errors.ts";
import type { ServiceContext } from "../context.ts";
import { ControlConnection, type ControlHandlers } from "../control/connection.ts";
import { consoleSocket } from "../control/handlers.ts";
import { bridgeConsole } from "./console-bridge.ts";
import { RateLimit } from "./rate-limit.ts";
import { WebDoor } from "./web-door.ts";

/** Calls of one page: so many at once, so many a second in the long run. */
export const PAGE_CALLS = { burst: 200, perSecond: 50 } as const;

/** The way in for browsers to a service's control API and consoles. */
export function openDoor(ctx: ServiceContext, handlers: ControlHandlers): Promise<WebDoor> {
  const { store, log, workspaces } = ctx;
  const forPages: ControlHandlers = {
    ...handlers,
    // Who has a page open cannot let others in, nor itself in for longer.
    ui: () => Promise.reject(new HomewardError("CONFLICT", `only "homeward ui" opens the pages`)),
  };
  return WebDoor.take({
    file: store.paths.pages,
    linkPage: store.paths.pagesLink,
    log,
    control: (socket) => {
      const calls = new RateLimit(PAGE_CALLS.burst, PAGE_CALLS.perSecond);
      new ControlConnection(socket, forPages, log, { admit: () => calls.take() });
    },
    consoleSocket: (name) => consoleSocket(workspaces.get(name)),
    bridge: (socket, path) => void bridgeConsole(socket, path, log),
  });
}
