import { HomewardError } from "../../common/errors.ts";
import type { FrameName } from "../../protocol/wire.ts";
import type { PeerLink } from "./peer-link.ts";

export interface Collected {
  readonly payloads: readonly Buffer[];
  /** Payload of the frame that ended it. */
  readonly end: Buffer;
}

/** All payloads of the frames `name` up to a frame `end`. @throws PEER when they are longer than `maxBytes` together */
export async function collectFrames(
  link: PeerLink,
  name: FrameName,
  end: FrameName,
  maxBytes: number,
): Promise<Collected> {
  const payloads: Buffer[] = [];
  const frames = link.stream(name, end);
  for (let bytes = 0; ; ) {
    const next = await frames.next();
    if (next.done === true) return { payloads, end: next.value };
    bytes += next.value.length;
    if (bytes > maxBytes)
      throw new HomewardError("PEER", `${link.peer} sent too much (${name})`, { data: { maxBytes } });
    payloads.push(next.value);
  }
}
