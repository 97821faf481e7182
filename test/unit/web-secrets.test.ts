import { describe, expect, it } from "vitest";
import { RateLimit } from "../../service/web/rate-limit.ts";
import { isOwnHost, isOwnOrigin, webSocketProtocols } from "../../service/web/request-check.ts";
import { CODE_MS, MAX_CODES, MAX_SESSIONS, SESSION_MS, Sessions } from "../../service/web/sessions.ts";

function clocked(): { sessions: Sessions; clock: { now: number } } {
  const clock = { now: 1_000_000 };
  return { sessions: new Sessions([], () => clock.now), clock };
}

function token(sessions: Sessions): string {
  const made = sessions.exchange(sessions.newCode().code);
  if (made === null) throw new Error("no session");
  return made;
}

describe("a one-time code", () => {
  it("gives one session, once", () => {
    const { sessions } = clocked();
    const { code } = sessions.newCode();
    expect(sessions.exchange(`${code.slice(1)}A`)).toBeNull();
    expect(sessions.exchange(code)).toMatch(/^[\w-]{43}$/);
    expect(sessions.exchange(code)).toBeNull();
  });

  it("is good for minutes only", () => {
    const { sessions, clock } = clocked();
    const { code, endsAt } = sessions.newCode();
    expect(endsAt - clock.now).toBe(CODE_MS);
    clock.now += CODE_MS;
    expect(sessions.exchange(code)).toBeNull();
  });

  it("pushes out the oldest when there are too many", () => {
    const { sessions } = clocked();
    const [first = "", ...others] = Array.from({ length: MAX_CODES + 1 }, () => sessions.newCode().code);
    expect(sessions.exchange(first)).toBeNull();
    for (const code of others) expect(sessions.exchange(code)).not.toBeNull();
  });
});

describe("a session", () => {
  it("lasts as long as it is used", () => {
    const { sessions, clock } = clocked();
    const used = token(sessions);
    const left = token(sessions);
    clock.now += SESSION_MS - 1;
    expect(sessions.use(used)).toBe(true);
    clock.now += 1;
    expect([sessions.use(used), sessions.use(left)]).toEqual([true, false]);
    clock.now += SESSION_MS;
    expect(sessions.use(used)).toBe(false);
  });

  it("is known to the next service, which cannot tell the token from what is stored", () => {
    const { sessions, clock } = clocked();
    const kept = token(sessions);
    const stored = sessions.stored();
    expect(JSON.stringify(stored)).not.toContain(kept);
    expect(new Sessions(stored, () => clock.now).use(kept)).toBe(true);
    expect(new Sessions(stored, () => clock.now + SESSION_MS).use(kept)).toBe(false);
    // A clock that was set back, or a damaged file, gives nobody more time than a new session has.
    const far = stored.map((session) => ({ ...session, endsAt: Number.MAX_SAFE_INTEGER }));
    expect(new Sessions(far, () => clock.now).stored()[0]?.endsAt).toBe(clock.now + SESSION_MS);
  });

  it("of many is the newest ones", () => {
    const { sessions } = clocked();
    const tokens = Array.from({ length: MAX_SESSIONS + 1 }, () => token(sessions));
    expect(tokens.map((each) => sessions.use(each))).toEqual([false, ...tokens.slice(1).map(() => true)]);
  });
});

describe("a limit", () => {
  it("lets a burst through, and then so many a second", () => {
    let now = 0;
    const limit = new RateLimit(3, 2, () => now);
    expect([1, 2, 3, 4].map(() => limit.take())).toEqual([true, true, true, false]);
    now += 500;
    expect([limit.take(), limit.take()]).toEqual([true, false]);
    now += 3_600_000;
    expect([1, 2, 3, 4].map(() => limit.take())).toEqual([true, true, true, false]);
  });
});

describe("who asks", () => {
  it.each([
    ["127.0.0.1:7410", true],
    ["localhost:7410", true],
    ["127.0.0.1", false],
    ["127.0.0.1:7411", false],
    ["evil.example:7410", false],
    ["localhost.:7410", false],
    ["127.0.0.1:7410.evil.example", false],
    [undefined, false],
  ])("under the name %s: %s", (host, expected) => {
    expect(isOwnHost(host === undefined ? {} : { host }, 7410)).toBe(expected);
  });

  it.each([
    ["http://127.0.0.1:7410", true],
    ["homeward://app", true],
    ["http://localhost:7410", false],
    ["http://127.0.0.1:7411", false],
    ["https://127.0.0.1:7410", false],
    ["http://127.0.0.1:7410.evil.example", false],
    ["null", false],
    ["", false],
    [undefined, false],
  ])("from a page of %s: %s", (origin, expected) => {
    expect(isOwnOrigin({ host: "127.0.0.1:7410", ...(origin === undefined ? {} : { origin }) })).toBe(expected);
  });

  it("sends its token among the protocols, once", () => {
    const secret = "a".repeat(43);
    const parse = (text: string): ReturnType<typeof webSocketProtocols> => webSocketProtocols({ "sec-websocket-protocol": text });
    expect(parse(`homeward.control.v1, homeward.token.${secret}`)).toEqual({ token: secret, offered: ["homeward.control.v1"] });
    expect(parse(`homeward.token.${secret},homeward.token.${secret}`).token).toBeNull();
    expect(parse("homeward.token.short").token).toBeNull();
    expect(webSocketProtocols({}).token).toBeNull();
  });
});
