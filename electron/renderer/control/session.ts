import { HomewardError, type ErrorCode, EXIT_STATUS } from "../../../common/errors.ts";
import { CODE_FRAGMENT, SESSION_PATH, sessionSchema } from "../../../protocol/control.ts";
import type { HomewardBridge } from "../../gateway.ts";

declare global {
  interface Window {
    /** In the desktop app only. */
    readonly homeward?: HomewardBridge;
  }
}

/** What opens WebSockets to the service, and where. */
export interface Session {
  readonly origin: string;
  readonly token: string;
}

/** How this page gets its session: a browser's by a one-time link, the desktop app's from the app. */
export interface SessionSource {
  /** Whether a service that has ended can be started from here. */
  readonly canStart: boolean;
  /** Null if the page has to be opened anew. @param start whether to start a service if none runs. @throws when there is none */
  open(start: boolean): Promise<Session | null>;
  /** Whether a session that opens nothing is over for good; it is forgotten then. */
  isOver(session: Session): Promise<boolean>;
}

/**
 * The token is kept for this tab and this origin only. A cookie would be sent to every port of 127.0.0.1, to other users'
 * servers too.
 */
const STORAGE_KEY = "homeward.token";

/** Takes the one-time code out of the address, where it must not stay, and exchanges it. Null for a spent or wrong one. */
async function exchange(code: string): Promise<string | null> {
  history.replaceState(null, "", `${location.pathname}#/`);
  const response = await fetch(SESSION_PATH, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ code }),
  });
  if (!response.ok) return null;
  return sessionSchema.parse(await response.json()).token;
}

const browserSessions: SessionSource = {
  canStart: false,
  async open() {
    if (location.hash.startsWith(CODE_FRAGMENT)) {
      const token = await exchange(location.hash.slice(CODE_FRAGMENT.length));
      if (token !== null) sessionStorage.setItem(STORAGE_KEY, token);
    }
    const token = sessionStorage.getItem(STORAGE_KEY);
    return token === null ? null : { origin: location.origin, token };
  },
  async isOver({ token }) {
    try {
      const { status } = await fetch(SESSION_PATH, { headers: { authorization: `Bearer ${token}` } });
      if (status !== 401 && status !== 429) return false;
    } catch {
      return false;
    }
    sessionStorage.removeItem(STORAGE_KEY);
    return true;
  },
};

function isErrorCode(code: string): code is ErrorCode {
  return code in EXIT_STATUS;
}

function appSessions(bridge: HomewardBridge): SessionSource {
  return {
    canStart: true,
    async open(start) {
      const answer = await bridge.openSession(start);
      if (answer.ok) return answer.value;
      const { code, message, hint } = answer;
      throw new HomewardError(isErrorCode(code) ? code : "INTERNAL", message, hint === null ? {} : { hint });
    },
    // The app gives a new one each time.
    isOver: () => Promise.resolve(false),
  };
}

export const sessions: SessionSource = window.homeward === undefined ? browserSessions : appSessions(window.homeward);
