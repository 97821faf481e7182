import { HomewardError } from "../common/errors.ts";

/** Far more than any answer Homeward asks for; a list of all block nodes of a long chain is some 100 kB. */
const MAX_LINE_BYTES = 8 * 1024 * 1024;
const NEWLINE = 0x0a;

export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Cuts QMP's stream (a JSON object a line, QEMU docs/interop/qmp-spec) into messages; bytes come in any portions. */
export class QmpStream {
  #parts: Buffer[] = [];
  #bytes = 0;

  /**
   * The messages that `chunk` completes, one by one: what precedes something malformed was said all the same. All have to be
   * taken. @throws DAMAGED on a line that is too long or not a JSON object
   */
  *push(chunk: Buffer): Generator<JsonObject, void, undefined> {
    let rest = chunk;
    for (let end = rest.indexOf(NEWLINE); end !== -1; end = rest.indexOf(NEWLINE)) {
      this.#add(rest.subarray(0, end));
      const line = Buffer.concat(this.#parts, this.#bytes).toString("utf8").trim();
      this.#parts = [];
      this.#bytes = 0;
      if (line !== "") yield parseMessage(line);
      rest = rest.subarray(end + 1);
    }
    this.#add(rest);
  }

  #add(part: Buffer): void {
    this.#bytes += part.length;
    if (this.#bytes > MAX_LINE_BYTES)
      throw new HomewardError("DAMAGED", `QEMU sent a line of more than ${MAX_LINE_BYTES} bytes`);
    if (part.length > 0) this.#parts.push(part);
  }
}

function parseMessage(line: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new HomewardError("DAMAGED", "QEMU sent something that is not JSON", { cause });
  }
  if (isJsonObject(value)) return value;
  throw new HomewardError("DAMAGED", "QEMU sent something that is not a JSON object");
}
