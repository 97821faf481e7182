import { ScriptedPeer } from "./vm-streams.ts";

export function u16(value: number): Buffer {
  const data = Buffer.alloc(2);
  data.writeUInt16BE(value);
  return data;
}

export function u32(value: number): Buffer {
  const data = Buffer.alloc(4);
  data.writeUInt32BE(value);
  return data;
}

export function u64(value: bigint): Buffer {
  const data = Buffer.alloc(8);
  data.writeBigUInt64BE(value);
  return data;
}

export interface Request {
  readonly command: number;
  readonly handle: bigint;
  readonly offset: number;
  readonly bytes: number;
}

export const CHUNK = { NONE: 0, DATA: 1, HOLE: 2, STATUS: 5, ERROR: 0x8001 } as const;

/** A structured reply chunk. */
export function chunk(handle: bigint, type: number, body: Buffer, done = true): Buffer {
  return Buffer.concat([u32(0x668e33ef), u16(done ? 1 : 0), u16(type), u64(handle), u32(body.length), body]);
}

export function simple(handle: bigint, errno = 0): Buffer {
  return Buffer.concat([u32(0x67446698), u32(errno), u64(handle)]);
}

function optionReply(option: number, type: number, data = Buffer.alloc(0)): Buffer {
  return Buffer.concat([u64(0x0003e889045565a9n), u32(option), u32(type), u32(data.length), data]);
}

export const GREETING = Buffer.concat([Buffer.from("NBDMAGICIHAVEOPT"), u16(3)]);

/** A whole handshake for an export of `bytes` with two meta contexts, numbered 1 and 2. */
export function handshake(bytes: number, flags = 1): Buffer[] {
  const context = (id: number, name: string): Buffer => optionReply(10, 4, Buffer.concat([u32(id), Buffer.from(name)]));
  return [
    GREETING,
    optionReply(8, 1),
    Buffer.concat([context(1, "base:allocation"), context(2, "qemu:allocation-depth"), optionReply(10, 1)]),
    Buffer.concat([optionReply(7, 3, Buffer.concat([u16(0), u64(BigInt(bytes)), u16(flags)])), optionReply(7, 1)]),
  ];
}

/** Plays an NBD server: the handshake by rote, each request by `script`. */
export class ScriptedNbdServer extends ScriptedPeer {
  /** Everything the client sent during the handshake. */
  readonly options: Buffer[] = [];
  script: (request: Request) => void = () => undefined;
  #received = Buffer.alloc(0);

  constructor(steps: readonly Buffer[]) {
    super();
    const [greeting, ...replies] = steps;
    this.onData = (data) => {
      // Flags come first, then one option a write.
      if (this.options.length <= replies.length) {
        this.options.push(data);
        const reply = replies[this.options.length - 2];
        if (reply !== undefined) this.say(reply);
      } else {
        this.#requests(data);
      }
    };
    if (greeting !== undefined) this.say(greeting);
  }

  #requests(data: Buffer): void {
    this.#received = Buffer.concat([this.#received, data]);
    while (this.#received.length >= 28) {
      const head = this.#received.subarray(0, 28);
      const command = head.readUInt16BE(6);
      const bytes = head.readUInt32BE(24);
      const end = 28 + (command === 1 ? bytes : 0);
      if (this.#received.length < end) return;
      this.#received = this.#received.subarray(end);
      this.script({ command, handle: head.readBigUInt64BE(8), offset: Number(head.readBigUInt64BE(16)), bytes });
    }
  }
}
