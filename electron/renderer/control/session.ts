import { CODE_FRAGMENT, SESSION_PATH, sessionSchema } from "../../../protocol/control.ts";

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

/** The token of this tab's session; null if the page has to be opened anew. @throws TypeError when the service is gone */
export async function openSession(): Promise<string | null> {
  if (location.hash.startsWith(CODE_FRAGMENT)) {
    const token = await exchange(location.hash.slice(CODE_FRAGMENT.length));
    if (token !== null) sessionStorage.setItem(STORAGE_KEY, token);
  }
  return sessionStorage.getItem(STORAGE_KEY);
}

/** Whether the service still knows the token: false only if it says so. */
export async function isSessionOver(token: string): Promise<boolean> {
  try {
    const { status } = await fetch(SESSION_PATH, { headers: { authorization: `Bearer ${token}` } });
    return status === 401 || status === 429;
  } catch {
    return false;
  }
}

export function forgetSession(): void {
  sessionStorage.removeItem(STORAGE_KEY);
}
