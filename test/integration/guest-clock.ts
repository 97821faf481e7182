import { once } from "node:events";
import { createServer, type AddressInfo, type Server } from "node:net";
import { withTimeout } from "../../common/abort.ts";

const ANSWER_MS = 30_000;

/** Learns what time a guest believes it is, from the guest itself: it sends it to a port of this computer. */
export class GuestClock {
  readonly #server: Server;
  #told: PromiseWithResolvers<number> | null = null;

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket) => {
      let text = "";
      socket.on("error", () => undefined);
      socket.on("data", (chunk: Buffer) => {
        text += chunk.toString();
        if (text.endsWith("\n")) this.#told?.resolve(Number(text) * 1000 - Date.now());
      });
    });
  }

  static async listen(): Promise<GuestClock> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    return new GuestClock(server);
  }

  /**
   * By how many milliseconds the guest's clock is ahead of this computer's. Its network must be open.
   * @param type types into the guest's shell
   */
  async ahead(type: (text: string) => Promise<void>): Promise<number> {
    this.#told = Promise.withResolvers();
    const { port } = this.#server.address() as AddressInfo;
    await type(`echo $EPOCHREALTIME | nc 10.0.2.2 ${String(port)}\n`);
    return withTimeout(this.#told.promise, ANSWER_MS, "the guest");
  }

  close(): void {
    this.#server.close();
  }
}
