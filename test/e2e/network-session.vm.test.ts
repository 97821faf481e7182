import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TwoHosts, WORKSPACE, eventually, makeTinyWithHost, stillPicture, type } from "./migration-hosts.ts";

const FILE_BYTES = 3_000_000;

/** Stands for the world: nothing it says is ever the same twice, and it counts what it is asked. */
class World {
  readonly #server: Server;
  readonly requests: string[] = [];
  readonly posted: string[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(): Promise<World> {
    const server = createServer();
    const world = new World(server);
    server.on("request", (request, response) => {
      world.requests.push(`${String(request.method)} ${String(request.url)}`);
      const body: Buffer[] = [];
      request.on("data", (chunk: Buffer) => body.push(chunk));
      request.on("end", () => {
        if (request.method === "POST") world.posted.push(Buffer.concat(body).toString());
        const news = Array.from({ length: 12 }, () => randomBytes(24).toString("base64")).join("\n");
        response.end(request.url === "/file" ? randomBytes(FILE_BYTES) : `${news}\n`);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return world;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

let hosts: TwoHosts;
let world: World;
beforeAll(async () => {
  world = await World.open();
  hosts = await TwoHosts.create(makeTinyWithHost);
});
afterAll(async () => {
  await hosts.end();
  await world.close();
});

describe("a session that lives on the network", () => {
  it("arrives whole, for no more than without replay, and its twin asks the world for nothing", async () => {
    const { near, far } = hosts;
    const console = await near.console();
    const answered = (count: number): Promise<void> =>
      eventually(`${String(count)} answers`, () => Promise.resolve(world.requests.length >= count), 120_000);
    // QEMU's own network knows this computer as 10.0.2.2.
    const site = `10.0.2.2:${String(world.port)}`;
    await type(console, `u=http://${site}\n`);
    for (let load = 1; load <= 3; load++) {
      await type(console, "clear; wget -qO page $u/news; cat page\n");
      await answered(load);
    }
    await type(console, "clear; wget -qO big $u/file; md5sum big\n");
    await answered(4);
    await stillPicture(console, 3000);
    await type(console, "wget -qO reply --post-data 'name=me&n=1' $u/form; cat reply\n");
    await answered(5);
    await type(console, "sync\n");
    const before = await stillPicture(console, 3000);
    console.close();
    expect(world.requests).toEqual(["GET /news", "GET /news", "GET /news", "GET /file", "POST /form"]);
    expect(world.posted).toEqual(["name=me&n=1"]);

    const report = await near.call("migrate", { workspace: WORKSPACE, peer: "far", mode: "replay", level: 9 });
    expect(world.requests).toHaveLength(5);
    expect(report.verified).toBe(true);
    expect(report.root_destination).toBe(report.root_source);
    const there = await far.console();
    expect((await stillPicture(there)).equals(before)).toBe(true);

    const overlay = await near.call("measure", { workspace: WORKSPACE, peer: "far", mode: "overlay", level: 9 });
    const { checkpoints, replay, phases, bytes, recorded_s, think_s } = report;
    const told = { bytes, overlay: overlay.bytes, checkpoints, gaveUp: replay?.gave_up, phases, recorded_s, think_s };
    process.stdout.write(`network session: ${JSON.stringify(told)}\n`);
    expect(overlay.verified).toBe(true);
    // Without the messages that keep each other informed, of which a slow computer sends more.
    const { control, log, index } = bytes;
    const overlayBytes = overlay.bytes.total - overlay.bytes.control;
    expect(bytes.total - control).toBeLessThanOrEqual(overlayBytes + log + index);
    // What came from outside cannot be guessed: it is on the wire.
    expect(bytes.residual).toBeGreaterThan(FILE_BYTES);
    // Settling of what the twin had begun, and starting it, come on top.
    const speed = replay?.speed ?? 1;
    expect(phases.replay_s).toBeLessThanOrEqual((1.3 * (recorded_s - think_s)) / speed + 15);
    expect(checkpoints.missed).toBeGreaterThan(0);

    // It is the twin that was cut off, not the workspace.
    await type(there, "clear; wget -qO page $u/news; cat page\n");
    await answered(6);
    there.close();
  });
});
