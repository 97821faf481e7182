import { Duplex } from "node:stream";

/** The far end of a connection in memory: what was sent to it, and a way to answer. */
export class ScriptedPeer {
  readonly socket: Duplex;
  /** Called with each piece that the client sends. */
  onData: (data: Buffer) => void = () => undefined;

  constructor() {
    this.socket = new Duplex({
      read: () => undefined,
      write: (data: Buffer, _encoding, done) => {
        done();
        // As with a real socket, an answer never comes before the write has returned.
        queueMicrotask(() => {
          this.onData(data);
        });
      },
      final: (done) => {
        done();
      },
    });
  }

  say(data: Buffer | string): void {
    this.socket.push(data);
  }

  /** The same, one byte at a time. */
  stutter(data: Buffer): void {
    for (const byte of data) this.socket.push(Buffer.of(byte));
  }

  hangUp(): void {
    this.socket.destroy();
  }
}
