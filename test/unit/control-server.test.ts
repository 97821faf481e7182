import { stat } from "node:fs/promises";
import { request } from "node:http";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { delay } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import type { ProgressUpdate } from "../../common/progress.ts";
import { ControlClient } from "../../protocol/control-client.ts";
import { CONTROL_PATH, MAX_CONTROL_MESSAGE_BYTES } from "../../protocol/control.ts";
import type { ControlHandlers } from "../../service/control/connection.ts";
import { FakeService } from "./control-fake-service.ts";

let service: FakeService | undefined;

async function serve(given: Partial<ControlHandlers>): Promise<FakeService> {
  service = await FakeService.start(given);
  return service;
}

afterEach(async () => {
  await service?.stop();
  service = undefined;
});

/** A call that goes on until it is told to stop; resolves with the reason's message. */
function endless(): { readonly stopped: Promise<string>; readonly run: (call: { signal: AbortSignal }) => Promise<never> } {
  let tell: (why: string) => void = () => undefined;
  const stopped = new Promise<string>((resolve) => {
    tell = resolve;
  });
  return {
    stopped,
    run: ({ signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          const reason = signal.reason as HomewardError;
          tell(reason.message);
          reject(reason);
        });
      }),
  };
}

/** Sends raw text on a WebSocket and gives the answers until it is closed, then the close code. */
async function raw(socket: string, ...texts: string[]): Promise<{ answers: unknown[]; code: number }> {
  const client = new WebSocket(`ws://localhost${CONTROL_PATH}`, { createConnection: () => connect(socket) });
  const answers: unknown[] = [];
  client.on("message", (data: Buffer) => {
    answers.push(JSON.parse(data.toString()));
    if (answers.length === texts.length) client.close();
  });
  client.on("open", () => {
    for (const text of texts) client.send(text);
  });
  return new Promise((resolve, reject) => {
    client.on("error", reject);
    client.on("close", (code) => {
      resolve({ answers, code });
    });
  });
}

describe("the control socket", () => {
  it("is for its user only", async () => {
    const { socket } = await serve({});
    expect((await stat(socket)).mode & 0o777).toBe(0o600);
  });

  it("turns away web pages and other paths", async () => {
    const { socket } = await serve({});
    const status = (path: string, headers: Record<string, string>): Promise<number | undefined> =>
      new Promise((resolve) => {
        const upgrade = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" };
        const key = { "sec-websocket-key": Buffer.alloc(16).toString("base64") };
        request({ socketPath: socket, path, headers: { ...upgrade, ...key, ...headers } })
          .on("upgrade", (response) => {
            response.socket.destroy();
            resolve(101);
          })
          .on("response", (response) => {
            resolve(response.statusCode);
          })
          .end();
      });
    expect(await status(CONTROL_PATH, {})).toBe(101);
    expect(await status(CONTROL_PATH, { origin: "http://localhost" })).toBe(403);
    expect(await status("/", {})).toBe(404);
  });

  it("is replaced when a dead service has left one behind", async () => {
    const first = await serve({});
    await expect(ControlClient.connect(`${first.socket}.none`)).rejects.toMatchObject({ code: "ENVIRONMENT" });
  });
});

describe("a call", () => {
  it("brings parameters there, with defaults, and the checked result back", async () => {
    const seen: unknown[] = [];
    const { client } = await serve({
      shutdown: (params) => {
        seen.push(params);
        return Promise.resolve({});
      },
    });
    expect(await client.call("shutdown", {})).toEqual({});
    expect(await client.call("shutdown", { machines: "kill" })).toEqual({});
    expect(seen).toEqual([{ machines: "keep" }, { machines: "kill" }]);
  });

  it("brings errors back as they were", async () => {
    const { client } = await serve({
      start: () =>
        Promise.reject(new HomewardError("NO_ROOM", "no room", { hint: "Make some.", data: { bytes: 5, bad: 1n } })),
      suspend: () => Promise.reject(new HomewardError("GUEST", "died", { data: { status: 1 } })),
      delete: () => Promise.reject(new Error("a defect")),
    });
    await expect(client.call("start", { workspace: "a" })).rejects.toMatchObject({
      code: "NO_ROOM",
      message: "no room",
      hint: "Make some.",
      data: {},
    });
    await expect(client.call("suspend", { workspace: "a" })).rejects.toMatchObject({ code: "GUEST", data: { status: 1 } });
    await expect(client.call("delete", { workspace: "a" })).rejects.toMatchObject({ code: "INTERNAL" });
  });

  it("is refused when its method or parameters are wrong, and others go on", async () => {
    const { client, socket } = await serve({ shutdown: () => Promise.resolve({}) });
    await expect(client.call("start", { workspace: "../etc" })).rejects.toMatchObject({ code: "USAGE" });
    await expect(client.call("power", { workspace: "a", action: "explode" as "off" })).rejects.toMatchObject({
      code: "USAGE",
    });
    const { answers } = await raw(
      socket,
      JSON.stringify({ id: 1, method: "toString", params: {} }),
      JSON.stringify({ id: 2, method: "start", params: { workspace: "a", more: 1 } }),
    );
    expect(answers).toMatchObject([
      { id: 1, error: { code: "USAGE" } },
      { id: 2, error: { code: "USAGE" } },
    ]);
    expect(await client.call("shutdown", {})).toEqual({});
  });

  it("fails when the service breaks its own promise", async () => {
    const { client } = await serve({ console: () => Promise.resolve({ path: "relative", direct: "/vnc" }) });
    await expect(client.call("console", { workspace: "a" })).rejects.toMatchObject({ code: "INTERNAL" });
  });

  it("may not be longer than a message, in either direction", async () => {
    const entries = Array.from({ length: 2000 }, () => ({ atMs: 0, text: `"`.repeat(300) }));
    const { client, socket } = await serve({
      log: () =>
        Promise.resolve({ root: "0".repeat(64), segments: 0, bytes: 0, events: 0, durationMs: 0, entries }),
    });
    await expect(client.call("log", { workspace: "a" })).rejects.toMatchObject({
      code: "INTERNAL",
      message: "the answer is too long",
    });
    const long = "a".repeat(MAX_CONTROL_MESSAGE_BYTES);
    await expect(client.call("start", { workspace: long })).rejects.toMatchObject({ code: "USAGE" });
    expect((await raw(socket, `${long}a`)).code).toBe(1009);
  });

  it.each(["", "{", "[]", `{"id":-1,"method":"status","params":{}}`, `{"id":1}`])(
    "ends the connection for what is no message: %s",
    async (text) => {
      const { socket } = await serve({});
      expect((await raw(socket, text)).code).toBe(1007);
    },
  );
});

describe("progress", () => {
  it("comes at most ten times a second, and the last of it always", async () => {
    const { client } = await serve({
      delete: async (_params, { progress }) => {
        for (let done = 0; done <= 1000; done++) {
          progress.update({ phase: "work", done, total: 1000, unit: "blocks" });
          if (done % 20 === 0) await delay(5);
        }
        return {};
      },
    });
    const updates: ProgressUpdate[] = [];
    const started = performance.now();
    await client.call("delete", { workspace: "a" }, { onProgress: (update) => updates.push(update) });
    expect(updates.length).toBeLessThanOrEqual(Math.ceil((performance.now() - started) / 100) + 2);
    expect(updates[0]?.done).toBe(0);
    expect(updates.at(-1)?.done).toBe(1000);
  });
});

describe("cancelling", () => {
  it("stops one call and leaves the others", async () => {
    const { stopped, run } = endless();
    const { client } = await serve({ start: (_params, call) => run(call), shutdown: () => Promise.resolve({}) });
    const controller = new AbortController();
    const call = client.call("start", { workspace: "a" }, { signal: controller.signal });
    controller.abort();
    await expect(call).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await stopped).toBe("stopped");
    expect(await client.call("shutdown", {})).toEqual({});
    await expect(client.call("start", { workspace: "a" }, { signal: controller.signal })).rejects.toMatchObject({
      code: "CANCELLED",
    });
  });

  it("happens by itself when the client goes, except for what must be finished", async () => {
    const { stopped, run } = endless();
    let suspendSignal: AbortSignal | undefined;
    let finish: () => void = () => undefined;
    const { socket } = await serve({
      start: (_params, call) => run(call),
      suspend: (_params, { signal }) => {
        suspendSignal = signal;
        return new Promise((_resolve, reject) => {
          finish = () => {
            reject(new HomewardError("CONFLICT", "enough"));
          };
        });
      },
    });
    const client = await ControlClient.connect(socket);
    const calls = [client.call("start", { workspace: "a" }), client.call("suspend", { workspace: "a" })];
    const settled = Promise.allSettled(calls);
    await delay(50);
    client.close();
    expect(await stopped).toContain("client has gone");
    for (const outcome of await settled)
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "ENVIRONMENT" } });
    expect(suspendSignal?.aborted).toBe(false);
    finish();
  });

  it("allows only so many calls at a time", async () => {
    const { run } = endless();
    const { client } = await serve({ start: (_params, call) => run(call) });
    const calls = Array.from({ length: 65 }, () => client.call("start", { workspace: "a" }));
    const settled = Promise.allSettled(calls);
    await expect(calls[64]).rejects.toMatchObject({ code: "USAGE" });
    client.close();
    await settled;
  });
});
