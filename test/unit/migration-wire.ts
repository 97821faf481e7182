import { Transform, duplexPair, type Duplex } from "node:stream";
import { PeerLink } from "../../service/migration/peer-link.ts";

/** Streams of the running test, which `closeAll` ends. */
export const open = new Set<Duplex>();

export function closeAll(): void {
  for (const stream of open) stream.destroy();
  open.clear();
}

interface WireOptions {
  /** Bytes are handed on in pieces of at most this. */
  readonly pieceBytes?: number;
  readonly bitsPerSecond?: number;
}

/** Two ends of a connection that counts what passes through it. */
export function wire({ pieceBytes = Infinity, bitsPerSecond = Infinity }: WireOptions = {}): {
  ends: [Duplex, Duplex];
  passed: () => number;
} {
  const [left, leftFar] = duplexPair();
  const [right, rightFar] = duplexPair();
  let bytes = 0;
  const cutter = (): Transform =>
    new Transform({
      transform(chunk: Buffer, _encoding, done) {
        bytes += chunk.length;
        for (let at = 0; at < chunk.length; at += pieceBytes)
          this.push(chunk.subarray(at, Math.min(chunk.length, at + pieceBytes)));
        const ms = (chunk.length * 8 * 1000) / bitsPerSecond;
        if (ms === 0) done();
        else setTimeout(done, ms);
      },
    });
  leftFar.pipe(cutter()).pipe(rightFar);
  rightFar.pipe(cutter()).pipe(leftFar);
  for (const stream of [left, right, leftFar, rightFar]) {
    stream.on("error", () => undefined);
    open.add(stream);
  }
  return { ends: [left, right], passed: () => bytes };
}

export async function links(options?: WireOptions): Promise<{ a: PeerLink; b: PeerLink; passed: () => number }> {
  const { ends, passed } = wire(options);
  const [a, b] = await Promise.all([
    PeerLink.open(ends[0], { host: "alpha" }),
    PeerLink.open(ends[1], { host: "beta" }),
  ]);
  return { a, b, passed };
}
