import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocketServer } from "ws";
import { ControlClient } from "../../protocol/control-client.ts";

interface OtherService {
  /** Drops its clients. */
  drop(): void;
  close(): void;
}

/** Answers every message with the given texts. */
async function answering(socket: string, ...texts: (string | Buffer)[]): Promise<OtherService> {
  const http = createServer();
  const sockets = new WebSocketServer({ server: http });
  const drop = (): void => {
    for (const client of sockets.clients) client.terminate();
  };
  sockets.on("connection", (client) => {
    client.on("message", () => {
      for (const text of texts) client.send(text);
    });
  });
  await new Promise<void>((resolve) => http.listen(socket, resolve));
  return {
    drop,
    close: () => {
      drop();
      http.close();
    },
  };
}

describe("the control client and a service that is not one", () => {
  let dir: string;
  let socket: string;
  let server: OtherService | undefined;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "hw-client-"));
    socket = join(dir, "s");
  });
  afterEach(async () => {
    server?.close();
    await rm(dir, { recursive: true, force: true });
  });

  it.each(["not JSON", "{}", `{"id":1}`, `{"id":1,"progress":{"phase":"x"}}`, `{"id":1,"error":{"code":"OTHER"}}`])(
    "gives up on %s",
    async (text) => {
      server = await answering(socket, text);
      const client = await ControlClient.connect(socket);
      await expect(client.call("status", {})).rejects.toMatchObject({ code: "ENVIRONMENT" });
      client.close();
    },
  );

  it("does not take a result of another form", async () => {
    server = await answering(socket, `{"id":1,"result":{"version":2}}`);
    const client = await ControlClient.connect(socket);
    await expect(client.call("status", {})).rejects.toMatchObject({ code: "ENVIRONMENT" });
    client.close();
  });

  it("ignores answers to calls it does not know, and takes binary messages", async () => {
    server = await answering(socket, `{"id":7,"result":{}}`, Buffer.from(`{"id":1,"result":{}}`));
    const client = await ControlClient.connect(socket);
    expect(await client.call("shutdown", {})).toEqual({});
    client.close();
  });

  it("fails its calls when the service goes", async () => {
    server = await answering(socket);
    const client = await ControlClient.connect(socket);
    const call = client.call("status", {});
    server.drop();
    await expect(call).rejects.toMatchObject({ code: "ENVIRONMENT" });
    await expect(client.call("status", {})).rejects.toMatchObject({ code: "ENVIRONMENT" });
    client.close();
  });
});
