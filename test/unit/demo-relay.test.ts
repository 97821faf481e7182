import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Relay } from "../../demo/link/relay.ts";
import type { LinkSpeed } from "../../demo/link/speed.ts";

let dir: string;
let server: Server;
let relay: Relay;
const accepted: Socket[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-relay-"));
});

afterEach(async () => {
  relay.close();
  for (const socket of accepted.splice(0)) socket.destroy();
  server.close();
  await rm(dir, { recursive: true });
});

/** A relay in front of a server that does `serve` with each connection. */
async function setUp(speed: LinkSpeed, serve: (socket: Socket) => void): Promise<Socket> {
  server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.push(socket);
    serve(socket);
  });
  server.listen(join(dir, "far"));
  await once(server, "listening");
  relay = new Relay(speed);
  await relay.listen({ listen: join(dir, "near"), to: join(dir, "far"), direction: 0 });
  return connect({ path: join(dir, "near"), allowHalfOpen: true });
}

async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

describe("relay", () => {
  it("carries both directions and both ends, and counts every byte", async () => {
    const answer = Buffer.alloc(300_000, "answer");
    const client = await setUp({ bitsPerSecond: null, roundTripMs: 4 }, (socket) => {
      void readAll(socket).then((question) => {
        expect(question.length).toBe(1_000_000);
        socket.end(answer);
      });
    });
    client.end(Buffer.alloc(1_000_000, "question"));
    expect((await readAll(client)).equals(answer)).toBe(true);
    await relay.quiet();
    expect(relay.counters.bytes).toEqual([1_000_000, 300_000]);
  });

  it("delivers what is under way although the sender has closed both halves", async () => {
    const received = Promise.withResolvers<Buffer>();
    const client = await setUp({ bitsPerSecond: 8_000_000, roundTripMs: 100 }, (socket) => {
      socket.end();
      void readAll(socket).then(received.resolve);
    });
    client.end(Buffer.alloc(50_000, 7));
    client.resume();
    expect((await received.promise).length).toBe(50_000);
  });

  it("asks the sender to wait, so that little is held here", async () => {
    const client = await setUp({ bitsPerSecond: 80_000, roundTripMs: 0 }, (socket) => socket.resume());
    const data = Buffer.alloc(65_536);
    const sent = { bytes: 0 };
    const pump = (): void => {
      while (client.write(data)) sent.bytes += data.length;
    };
    client.on("drain", pump);
    pump();
    await once(client, "drain");
    // Sockets of the kernel and of Node hold some; the line itself takes 10 kB a second.
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(relay.counters.bytes[0]).toBeLessThan(300_000);
    expect(sent.bytes).toBeLessThan(2_000_000);
    client.destroy();
  });

  it("cuts the other end when one is cut", async () => {
    const cut = Promise.withResolvers<undefined>();
    const client = await setUp({ bitsPerSecond: null, roundTripMs: 0 }, (socket) => {
      socket.on("error", () => undefined);
      socket.on("close", () => {
        cut.resolve(undefined);
      });
      // More than fits into the sockets on the way: it can never be delivered.
      socket.write(Buffer.alloc(4_000_000));
    });
    await once(client, "readable");
    client.destroy();
    await cut.promise;
    await relay.quiet();
  });

  it("cuts the caller when nobody listens on the far side", async () => {
    const client = await setUp({ bitsPerSecond: null, roundTripMs: 0 }, () => undefined);
    client.destroy();
    server.close();
    await once(server, "close");
    const late = connect(join(dir, "near"));
    late.on("error", () => undefined);
    await once(late, "close");
  });
});
