import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { HomewardError } from "../../common/errors.ts";
import { ControlClient } from "../../protocol/control-client.ts";
import type { ControlHandlers } from "../../service/control/connection.ts";
import { ControlServer } from "../../service/control/control-server.ts";

/** Every method refuses, except those that a test gives. */
export function handlers(given: Partial<ControlHandlers>): ControlHandlers {
  const refuse = (): Promise<never> => Promise.reject(new HomewardError("CONFLICT", "not in this test"));
  const none: ControlHandlers = {
    status: refuse,
    watch: refuse,
    create: refuse,
    import: refuse,
    files: refuse,
    delete: refuse,
    start: refuse,
    suspend: refuse,
    seal: refuse,
    power: refuse,
    record: refuse,
    console: refuse,
    capture: refuse,
    captured: refuse,
    thumbnail: refuse,
    estimate: refuse,
    migrate: refuse,
    takeover: refuse,
    cancel: refuse,
    measure: refuse,
    push: refuse,
    check: refuse,
    log: refuse,
    report: refuse,
    explain: refuse,
    hosts: refuse,
    pair: refuse,
    unpair: refuse,
    doctor: refuse,
    ui: refuse,
    gc: refuse,
    shutdown: refuse,
  };
  return { ...none, ...given };
}

/** A control server with handlers of a test, and a client of it. */
export class FakeService {
  readonly dir: string;
  readonly socket: string;
  readonly client: ControlClient;
  readonly #server: ControlServer;

  private constructor(dir: string, socket: string, client: ControlClient, server: ControlServer) {
    this.dir = dir;
    this.socket = socket;
    this.client = client;
    this.#server = server;
  }

  static async start(given: Partial<ControlHandlers>): Promise<FakeService> {
    const dir = await mkdtemp(join(tmpdir(), "hw-control-"));
    const socket = join(dir, "control.sock");
    const server = await ControlServer.listen(socket, handlers(given), pino({ level: "silent" }));
    return new FakeService(dir, socket, await ControlClient.connect(socket), server);
  }

  async stop(): Promise<void> {
    this.client.close();
    await this.#server.close();
    await rm(this.dir, { recursive: true, force: true });
  }
}
