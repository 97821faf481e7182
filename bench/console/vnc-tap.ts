import { createServer, connect, type Server, type Socket } from "node:net";
import { StepwiseParser } from "../../vm/rfb/stepwise-parser.ts";
import { viewerMessages } from "../../vm/rfb/viewer-messages.ts";

/** Stands before QEMU's VNC socket, passes everything on at once, and tells when a pointer event arrives there. */
export class VncTap {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Called with the pointer's place and performance.now(). */
  onPointer: (x: number, y: number, atMs: number) => void = () => undefined;

  private constructor(vncSocket: string) {
    this.#server = createServer((viewer) => {
      const vnc = connect({ path: vncSocket });
      for (const socket of [viewer, vnc]) {
        this.#sockets.add(socket);
        socket.on("error", () => socket.destroy());
        socket.on("close", () => {
          this.#sockets.delete(socket);
          viewer.destroy();
          vnc.destroy();
        });
      }
      vnc.pipe(viewer);
      this.#listen(viewer, vnc);
    });
  }

  static async start(vncSocket: string, path: string): Promise<VncTap> {
    const tap = new VncTap(vncSocket);
    await new Promise<void>((resolve) => tap.#server.listen(path, resolve));
    return tap;
  }

  #listen(viewer: Socket, vnc: Socket): void {
    let nowMs = 0;
    const parser = new StepwiseParser(
      viewerMessages({
        forward: (bytes) => {
          vnc.write(bytes);
        },
        swallows: () => false,
        key: () => undefined,
        pointer: (x, y) => {
          this.onPointer(x, y, nowMs);
        },
      }),
    );
    viewer.on("data", (chunk: Buffer) => {
      nowMs = performance.now();
      parser.push(chunk);
    });
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
  }
}
