import { describe, expect, test } from "vitest";
import { QmpClient, type QmpEvent } from "../../vm/qmp-client.ts";
import { QmpStream, type JsonObject } from "../../vm/qmp-stream.ts";
import { ScriptedPeer } from "./vm-streams.ts";

const GREETING = '{"QMP": {"version": {"qemu": {"major": 7}}, "capabilities": []}}\r\n';

describe("the QMP stream", () => {
  const text = `${GREETING}{"event":"STOP"}\r\n\r\n{"return":{"a":"ü\\n}"},"id":1}\n{"id":2}`;
  const expected: JsonObject[] = [
    { QMP: { version: { qemu: { major: 7 } }, capabilities: [] } },
    { event: "STOP" },
    { return: { a: "ü\n}" }, id: 1 },
  ];

  test("messages come out whole, whatever the portions", () => {
    const data = Buffer.from(text);
    for (const size of [1, 2, 3, 7, 64, data.length]) {
      const stream = new QmpStream();
      const messages: JsonObject[] = [];
      for (let at = 0; at < data.length; at += size) messages.push(...stream.push(data.subarray(at, at + size)));
      expect(messages).toEqual(expected);
      expect([...stream.push(Buffer.from("\n"))]).toEqual([{ id: 2 }]);
    }
  });

  test("an endless line is refused", () => {
    const stream = new QmpStream();
    const piece = Buffer.alloc(1024 * 1024, 0x20);
    expect(() => {
      for (let i = 0; i < 20; i++) expect([...stream.push(piece)]).toEqual([]);
    }).toThrow(/more than/);
  });

  test("messages count although nonsense follows in the same chunk", () => {
    const heard: JsonObject[] = [];
    expect(() => {
      for (const message of new QmpStream().push(Buffer.from('{"id":1}\n{"id":2}\nnonsense\n'))) heard.push(message);
    }).toThrow(/not/);
    expect(heard).toEqual([{ id: 1 }, { id: 2 }]);
  });

  test.each(["{", "[]", "1", "null", '"x"', "nonsense"])("%s is refused", (line) => {
    expect(() => [...new QmpStream().push(Buffer.from(`${line}\n`))]).toThrow(/not/);
  });
});

/** Answers commands by `script`; `undefined` means no answer. */
function qemu(script: (command: string, id: number) => string | undefined): ScriptedPeer {
  const peer = new ScriptedPeer();
  const stream = new QmpStream();
  peer.onData = (data) => {
    for (const message of stream.push(data)) {
      const id = message["id"] as number;
      const command = message["execute"] as string;
      const answer = command === "qmp_capabilities" ? `{"return":{},"id":${id}}\n` : script(command, id);
      if (answer !== undefined) peer.say(answer);
    }
  };
  peer.say(GREETING);
  return peer;
}

describe("the QMP client", () => {
  test("answers find their commands in any order", async () => {
    const held: string[] = [];
    const peer = qemu((command, id) => {
      held.unshift(`{"return":"${command}","id":${id}}\n`);
      return held.length === 3 ? held.join("") : undefined;
    });
    const client = await QmpClient.open(peer.socket);
    const answers = await Promise.all(["a", "b", "c"].map((command) => client.execute(command)));
    expect(answers).toEqual(["a", "b", "c"]);
  });

  test("a refusal carries QEMU's words and class", async () => {
    const peer = qemu((_, id) => `{"error":{"class":"GenericError","desc":"no such device"},"id":${id}}\n`);
    const client = await QmpClient.open(peer.socket);
    await expect(client.execute("device_del")).rejects.toMatchObject({
      code: "GUEST",
      message: "QEMU refused device_del: no such device",
      data: { command: "device_del", class: "GenericError" },
    });
  });

  test("events reach listeners until they unsubscribe", async () => {
    const peer = qemu((_, id) => `{"event":"RESET","data":{"guest":true}}\n{"return":{},"id":${id}}\n`);
    const client = await QmpClient.open(peer.socket);
    const events: QmpEvent[] = [];
    const unsubscribe = client.onEvent((event) => events.push(event));
    await client.execute("x");
    unsubscribe();
    await client.execute("x");
    expect(events).toEqual([{ name: "RESET", data: { guest: true } }]);
  });

  test("a command that is not answered times out or is cancelled, and its late answer is ignored", async () => {
    const late: string[] = [];
    const peer = qemu((command, id) => {
      if (command !== "slow") return `{"return":{"command":"${command}"},"id":${id}}\n`;
      late.push(`{"return":"late","id":${id}}\n`);
      return undefined;
    });
    const client = await QmpClient.open(peer.socket);
    await expect(client.execute("slow", {}, { timeoutMs: 20 })).rejects.toMatchObject({ code: "TIMEOUT" });
    const controller = new AbortController();
    const cancelled = client.execute("slow", {}, { signal: controller.signal });
    controller.abort();
    await expect(cancelled).rejects.toMatchObject({ code: "CANCELLED" });
    for (const line of late) peer.say(line);
    expect(await client.execute("next")).toEqual({ command: "next" });
  });

  test("losing the connection fails everything under way and everything after", async () => {
    const peer = qemu(() => undefined);
    const client = await QmpClient.open(peer.socket);
    const pending = [client.execute("a"), client.execute("b")];
    peer.hangUp();
    for (const answer of pending) await expect(answer).rejects.toMatchObject({ code: "GUEST" });
    await client.closed;
    await expect(client.execute("c")).rejects.toMatchObject({ code: "GUEST" });
  });

  test("nonsense ends the connection", async () => {
    const peer = qemu(() => "]\n");
    const client = await QmpClient.open(peer.socket);
    await expect(client.execute("a")).rejects.toMatchObject({ code: "DAMAGED" });
    await client.closed;
  });

  test("a silent QEMU is given up", async () => {
    const peer = new ScriptedPeer();
    await expect(QmpClient.open(peer.socket, { timeoutMs: 20 })).rejects.toMatchObject({ code: "TIMEOUT" });
  });

  test("a QEMU that hangs up before its greeting is noticed", async () => {
    const peer = new ScriptedPeer();
    const opening = QmpClient.open(peer.socket);
    peer.hangUp();
    await expect(opening).rejects.toMatchObject({ code: "GUEST" });
  });
});
