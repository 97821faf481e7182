import { open } from "node:fs/promises";

const TAIL_BYTES = 4096;
const TAIL_LINES = 4;

/** The last lines that QEMU printed, on one line; "" if it printed nothing. */
export async function logTail(path: string): Promise<string> {
  try {
    const file = await open(path, "r");
    try {
      const { size } = await file.stat();
      const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
      await file.read(buffer, 0, buffer.length, size - buffer.length);
      return buffer.toString("utf8").trim().split("\n").slice(-TAIL_LINES).join("; ");
    } finally {
      await file.close();
    }
  } catch {
    // It only explains another error.
    return "";
  }
}
