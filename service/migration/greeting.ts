import type { Duplex } from "node:stream";
import { HomewardError } from "../../common/errors.ts";
import { WIRE_MAGIC, WIRE_VERSION, frameBytes } from "../../protocol/wire.ts";
import { decodeMessage, encodeMessage, type Message } from "../../protocol/wire/messages.ts";
import { FrameChannel } from "./frame-channel.ts";
import { LINK_TIMES, type LinkTimes } from "./signs-of-life.ts";

export interface GreetOptions {
  /** Name of this host, as the greeting gives it. */
  readonly host: string;
  readonly signal?: AbortSignal;
  readonly times?: LinkTimes;
}

/** A connection on which both sides have greeted. */
export interface Greeted {
  readonly channel: FrameChannel;
  readonly hello: Message<"hello">;
  /** Both greetings, in bytes. */
  readonly bytes: number;
}

/**
 * Greets the other side and waits for its greeting.
 * @param says what this side's greeting has besides the usual
 * @throws PEER when something else than a Homeward host of this version is there, or nothing answers; the other side was told
 */
export async function greet(
  stream: Duplex,
  { host, signal, times = LINK_TIMES }: GreetOptions,
  says: Pick<Message<"hello">, "session" | "resume"> = {},
): Promise<Greeted> {
  const channel = new FrameChannel(stream, times);
  try {
    const mine = encodeMessage("hello", { magic: WIRE_MAGIC, version: WIRE_VERSION, host, time: new Date().toISOString(), ...says });
    channel.write("hello", mine);
    const theirs = await channel.next(signal);
    const hello = decodeMessage("hello", theirs.payload);
    channel.peer = hello.host;
    if (hello.version !== WIRE_VERSION)
      throw new HomewardError("PEER", `${hello.host} speaks version ${hello.version} of the protocol, not ${WIRE_VERSION}`, {
        hint: "Update Homeward on the host with the lower version.",
      });
    return { channel, hello, bytes: frameBytes(mine.length) + frameBytes(theirs.payload.length) };
  } catch (error) {
    // Not waited for: something else than a Homeward host may never close its side.
    void channel.refuse(error);
    throw error;
  }
}
