import type { Duplex } from "node:stream";
import { delay, throwIfAborted } from "../../common/abort.ts";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import { frameBytes } from "../../protocol/wire.ts";
import { decodeMessage } from "../../protocol/wire/messages.ts";
import type { FrameChannel } from "./frame-channel.ts";
import { greet, type Greeted } from "./greeting.ts";
import type { LinkTimes } from "./signs-of-life.ts";
import { unexpected } from "./unexpected.ts";

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 10_000;
/** Whoever answers at all answers a greeting sooner. */
const ANSWER_MS = 20_000;

export interface ReconnectOptions {
  readonly host: string;
  readonly peer: string;
  readonly session: string;
  /** Numbered frames that came. */
  readonly received: number;
  readonly times: LinkTimes;
  readonly connect: (signal: AbortSignal) => Promise<Duplex>;
  /** Ends the trying. */
  readonly signal: AbortSignal;
}

export interface Reconnected {
  readonly channel: FrameChannel;
  /** Numbered frames that the other side has. */
  readonly received: number;
  /** What it took to get there, both ways. */
  readonly bytes: number;
}

/** Trying again would not help. */
class FinalError extends Error {
  readonly error: HomewardError;

  constructor(error: HomewardError) {
    super(error.message);
    this.error = error;
  }
}

/**
 * Connects to the same host again and again, until it goes on with the link.
 * @throws what the other host said if it does not, or the signal's reason
 */
export async function reconnect(options: ReconnectOptions): Promise<Reconnected> {
  const { signal } = options;
  for (let wait = FIRST_RETRY_MS; ; wait = Math.min(wait * 2, LAST_RETRY_MS)) {
    try {
      return await attempt(options);
    } catch (thrown) {
      throwIfAborted(signal);
      if (thrown instanceof FinalError) throw thrown.error;
      const error = toHomewardError(thrown);
      // Nobody is known by that name any more.
      if (error.code === "NOT_FOUND") throw error;
    }
    await delay(wait, signal);
  }
}

async function attempt(options: ReconnectOptions): Promise<Reconnected> {
  const { host, peer, session, received, times, connect } = options;
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(ANSWER_MS)]);
  const stream = await connect(signal);
  const greeted = await greet(stream, { host, signal, times }, { resume: { session, received } });
  try {
    if (greeted.hello.host !== peer)
      throw new FinalError(new HomewardError("PEER", `${greeted.hello.host} answers at the address of ${peer}`));
    const answer = await greeted.channel.next(signal);
    if (answer.name === "abort") {
      const { message } = decodeMessage("abort", answer.payload);
      throw new FinalError(new HomewardError("PEER", `the connection broke, and ${peer} does not go on: ${message}`));
    }
    if (answer.name !== "resumed" || answer.payload.length !== 4) throw new FinalError(unexpected(answer.name, "resumed", peer));
    return {
      channel: greeted.channel,
      received: answer.payload.readUInt32BE(0),
      bytes: greeted.bytes + frameBytes(answer.payload.length),
    };
  } catch (error) {
    greeted.channel.destroy();
    throw error;
  }
}

/** As the one that is connected to: says how much came. The channel is the link's then. */
export function answerResume({ channel, bytes }: Greeted, received: number): number {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(received);
  channel.write("resumed", payload);
  return bytes + frameBytes(payload.length);
}
