import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { WIRE_MAGIC, frameHeader, type FrameName } from "../../protocol/wire.ts";
import { encodeMessage } from "../../protocol/wire/messages.ts";
import { WORKSPACE, type TestHost } from "./migration-hosts.ts";

/** What tests of bad input do to frames and files. */

export function frame(name: FrameName, payload: Uint8Array): Buffer {
  return Buffer.concat([frameHeader(name, payload.length), payload]);
}

export function hello(change: { version?: number; host?: string } = {}): Buffer {
  return frame("hello", encodeMessage("hello", { magic: WIRE_MAGIC, version: 1, host: "far", ...change }));
}

/** A header that no host of this version sends. */
export function header(length: number, type: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt32BE(length, 0);
  bytes.writeUInt8(type, 4);
  return bytes;
}

/** The payload with a bit of its middle changed. */
export function flipped(payload: Buffer): Buffer {
  const bad = Buffer.from(payload);
  const at = payload.length >> 1;
  bad[at] = (bad[at] ?? 0) ^ 8;
  return bad;
}

/** Changes a bit in the middle of the log that a suspended workspace has now. */
export async function damageLog(host: TestHost): Promise<void> {
  const { base } = await host.workspace();
  const db = new DatabaseSync(join(host.state, "workspaces", WORKSPACE, "input-log.db"));
  try {
    const rows = db.prepare("SELECT seq, data FROM segments WHERE generation = ? ORDER BY seq").all(String(base));
    const { seq, data } = rows.at(-1) as { seq: number; data: Uint8Array };
    db.prepare("UPDATE segments SET data = ? WHERE generation = ? AND seq = ?").run(flipped(Buffer.from(data)), base, seq);
  } finally {
    db.close();
  }
}
