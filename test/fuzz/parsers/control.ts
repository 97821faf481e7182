import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { pino } from "pino";
import type { WebSocket } from "ws";
import { HomewardError } from "../../../common/errors.ts";
import { checkResult, parseServiceMessage } from "../../../protocol/control-calls.ts";
import {
  controlMethods,
  fromWireError,
  isControlMethod,
  MAX_CONTROL_MESSAGE_BYTES,
  serviceMessageSchema,
  toWireError,
  type ControlMethod,
} from "../../../protocol/control.ts";
import { ControlConnection, type ControlHandlers } from "../../../service/control/connection.ts";
import { HOSTS, MIGRATION_REPORT, MIGRATION_SUMMARY, PAIRED_HOST, SERVICE_STATUS, WORKSPACE_STATUS } from "../../unit/cli-reports.ts";
import type { FuzzedParser } from "../parser.ts";
import { assertSameJson } from "../same-json.ts";

const ROOT = "ab".repeat(32);

/** Parameters of each method, with all that may be given. */
const PARAMS: { readonly [M in ControlMethod]?: object } = {
  status: {},
  create: { workspace: "work", from: "/guest", owner: "home", verified: true, accelerator: "tcg" },
  import: { workspace: "work", image: "/disk.qcow2", libvirt: "<domain/>", format: "qcow2", memoryBytes: 1e9, cpus: 2, nic: "none", dryRun: true },
  start: { workspace: "work" },
  seal: { workspace: "work", export: "/out" },
  power: { workspace: "work", action: "reset" },
  record: { workspace: "work", action: "pause" },
  migrate: { workspace: "work", peer: "home", mode: "replay", hold: false, level: 3 },
  measure: { workspace: "work", root: ROOT, peer: "home", mode: "overlay", level: 19 },
  log: { workspace: "work", root: ROOT, limit: 10, showText: true },
  report: { id: "x" },
  hosts: {},
  pair: { id: PAIRED_HOST.id, address: "h:1", name: "home", rights: PAIRED_HOST.rights },
  unpair: { name: "home" },
  gc: { dryRun: true },
  shutdown: { machines: "keep" },
};

/** Answers what a call was given, as an error; "gc" goes on until it is stopped. Nothing behind the API runs here. */
const REFUSING = Object.fromEntries(
  Object.keys(controlMethods).map((method) => [
    method,
    (params: unknown, { progress, signal }: Parameters<ControlHandlers["status"]>[1]) => {
      progress.update({ phase: "look", done: 1, unit: "steps" });
      if (method === "status") return Promise.resolve(SERVICE_STATUS);
      if (method === "gc")
        return new Promise((_, reject) => {
          signal.addEventListener("abort", () => {
            reject(signal.reason as Error);
          });
        });
      const data = method === "unpair" ? { number: 1n } : { params };
      return Promise.reject(new HomewardError("CONFLICT", "refused", { data }));
    },
  ]),
) as unknown as ControlHandlers;

class FakeSocket extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  bufferedAmount = 0;
  readonly sent: string[] = [];
  closed = false;
  send(text: string): void {
    this.sent.push(text);
  }
  close(): void {
    this.closed = true;
  }
  terminate(): void {
    this.closed = true;
  }
}

/** What a client of the control API asks. */
export function controlRequests(): FuzzedParser {
  const log = pino({ level: "silent" });
  return {
    name: "control-requests",
    code: [
      { file: "service/control/connection.ts", functions: ["#receive", "#answer", "#admit", "#send", "callMethod"] },
      { file: "protocol/control.ts" },
    ],
    shape: "json",
    codes: [],
    largestBytes: MAX_CONTROL_MESSAGE_BYTES,
    valid: () =>
      [
        ...Object.entries(PARAMS).map(([method, params]) => ({ id: 1, method, params })),
        { id: 1, cancel: true },
      ].map((message) => Buffer.from(JSON.stringify(message))),
    parse: async (input, random) => {
      const socket = new FakeSocket();
      const connection = new ControlConnection(socket as unknown as WebSocket, REFUSING, log);
      assert.ok(connection instanceof ControlConnection);
      const times = random(20) === 0 ? 70 : 1 + random(2);
      if (random(3) === 0) socket.emit("message", Buffer.from('{"id":1,"method":"gc","params":{}}'));
      if (random(20) === 0) socket.readyState = 3;
      if (random(20) === 0) socket.bufferedAmount = 2 ** 30;
      if (times > 2) for (let id = 1; id < times; id++) socket.emit("message", Buffer.from(`{"id":${id},"method":"gc","params":{}}`));
      for (let i = 0; i < times; i++) socket.emit("message", input);
      await new Promise((resolve) => setImmediate(resolve));
      const wasClosed = socket.closed;
      socket.emit("close");
      await new Promise((resolve) => setImmediate(resolve));
      for (const text of socket.sent) {
        const message = serviceMessageSchema.parse(JSON.parse(text));
        if (!("error" in message)) continue;
        assert.notEqual(message.error.code, "INTERNAL", text);
        assertSameJson(toWireError(fromWireError(message.error)), message.error);
      }
      return !wasClosed || socket.bufferedAmount > 0;
    },
  };
}

const RESULTS: { readonly [M in ControlMethod]?: unknown } = {
  status: SERVICE_STATUS,
  create: WORKSPACE_STATUS,
  seal: { root: ROOT, workspace: WORKSPACE_STATUS },
  migrate: MIGRATION_REPORT,
  log: { root: ROOT, segments: 1, bytes: 5, events: 7, durationMs: 1.5, entries: [{ atMs: 12, text: "typed" }] },
  report: { migrations: [MIGRATION_SUMMARY], report: MIGRATION_REPORT },
  hosts: HOSTS,
  doctor: { ok: true, mended: [], checks: [{ name: "a", severity: "ok", found: "b", hint: null, command: null }] },
  gc: { dryRun: true, removed: [], merged: [], kept: [], postponed: false },
};

/** What the service answers. An input begins with the method that it answers. */
export function controlAnswers(): FuzzedParser {
  return {
    name: "control-answers",
    code: [{ file: "protocol/control-calls.ts", functions: ["parseServiceMessage", "checkResult"] }, { file: "protocol/control/status.ts" }],
    shape: "json",
    codes: ["ENVIRONMENT"],
    valid: () => [
      ...Object.entries(RESULTS).map(([method, result]) => Buffer.from(JSON.stringify([method, { id: 1, result }]))),
      Buffer.from(JSON.stringify(["status", { id: 1, progress: { phase: "a", done: 1, total: 2, unit: "ms", note: "b" } }])),
      Buffer.from(JSON.stringify(["status", { id: 1, error: { code: "PEER", message: "m", hint: "h", data: { a: [1] } } }])),
    ],
    parse: (input) => {
      const [, name = "", text = ""] = /^\["([a-z]*)",(.*)\]$/s.exec(input.toString()) ?? [];
      const method = isControlMethod(name) ? name : "status";
      const message = parseServiceMessage(text === "" ? input.toString() : text);
      if (message === null) return false;
      if ("error" in message) assertSameJson(toWireError(fromWireError(message.error)), message.error);
      if (!("result" in message)) return true;
      const result = checkResult(method, message.result);
      assertSameJson(checkResult(method, JSON.parse(JSON.stringify(result))), result);
      return true;
    },
  };
}
