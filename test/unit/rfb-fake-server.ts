import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface FakeRect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly encoding: number;
  readonly data?: Buffer;
}

export const GREETING = Buffer.from("RFB 003.008\n", "latin1");

/** 32 bits a pixel, little-endian, 8 of each colour (RFC 6143 7.4); our own client asks for another one. */
const PIXEL_FORMAT = Buffer.from([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]);

/** ServerInit of RFC 6143 7.3.2. */
export function serverInit(width: number, height: number, name = "fake"): Buffer {
  const message = Buffer.alloc(24);
  message.writeUInt16BE(width, 0);
  message.writeUInt16BE(height, 2);
  PIXEL_FORMAT.copy(message, 4);
  message.writeUInt32BE(name.length, 20);
  return Buffer.concat([message, Buffer.from(name, "latin1")]);
}

export function update(rects: readonly FakeRect[]): Buffer {
  const parts: Buffer[] = [Buffer.from([0, 0, rects.length >> 8, rects.length & 255])];
  for (const { x, y, width, height, encoding, data } of rects) {
    const head = Buffer.alloc(12);
    [x, y, width, height].forEach((value, i) => head.writeUInt16BE(value, i * 2));
    head.writeInt32BE(encoding, 8);
    parts.push(head, data ?? Buffer.alloc(0));
  }
  return Buffer.concat(parts);
}

/** A rectangle of one grey. */
export function grey(x: number, y: number, width: number, height: number, luma: number): FakeRect {
  const data = Buffer.alloc(width * height * 4, luma);
  return { x, y, width, height, encoding: 0, data };
}

/** What a client has to say before the server treats it as connected: version, security None, shared. */
export function clientHello(shared: number): Buffer {
  return Buffer.concat([GREETING, Buffer.from([1, shared])]);
}

export interface FakeConnection {
  readonly socket: Socket;
  /** Everything the client has sent. */
  received(): Buffer;
}

/** A display server that says hello by itself and otherwise only what it is told to. */
export class FakeVncServer {
  readonly dir: string;
  readonly socketPath: string;
  readonly connections: FakeConnection[] = [];
  readonly #server: Server;

  private constructor(dir: string, width: number, height: number) {
    this.dir = dir;
    this.socketPath = join(dir, "vnc.sock");
    this.#server = createServer((socket) => {
      const chunks: Buffer[] = [];
      const received = (): Buffer => Buffer.concat(chunks);
      this.connections.push({ socket, received });
      socket.on("error", () => undefined);
      let step = 0;
      socket.write(GREETING);
      socket.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        const length = received().length;
        if (step === 0 && length >= 12) {
          socket.write(Buffer.from([1, 1]));
          step = 1;
        }
        if (step === 1 && length >= 13) {
          socket.write(Buffer.alloc(4));
          step = 2;
        }
        if (step === 2 && length >= 14) {
          socket.write(serverInit(width, height));
          socket.write(update([{ x: 0, y: 0, width, height, encoding: -258 }]));
          socket.write(update([grey(0, 0, width, height, 10)]));
          step = 3;
        }
      });
    });
  }

  static async start(width = 64, height = 48): Promise<FakeVncServer> {
    const fake = new FakeVncServer(await mkdtemp(join(tmpdir(), "hw-rfb-")), width, height);
    await new Promise<void>((resolve) => fake.#server.listen(fake.socketPath, resolve));
    return fake;
  }

  /** To all clients. */
  say(message: Buffer): void {
    for (const { socket } of this.connections) socket.write(message);
  }

  /** As if QEMU had exited. */
  async exit(): Promise<void> {
    for (const { socket } of this.connections) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async stop(): Promise<void> {
    await this.exit();
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** Resolves as soon as `test` holds; fails after ten seconds. */
export async function until(test: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 10_000;
  while (!test()) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
