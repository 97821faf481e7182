import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { Lane, Wire, type Clock } from "./shaping.ts";
import type { LinkSpeed } from "./speed.ts";

/** A socket that the relay listens on, and the one it connects to for each connection. */
export interface Route {
  readonly listen: string;
  readonly to: string;
  /** Which way its callers send: 0 is the line's one direction, 1 the other. Answers go the other way. */
  readonly direction: 0 | 1;
}

export interface RelayCounters {
  /** Bytes put on the line in direction 0 and 1. */
  readonly bytes: readonly [number, number];
  readonly connections: number;
}

/** setTimeout counts whole milliseconds and may be a little early. */
export const realClock: Clock = {
  now: () => performance.now(),
  at: (timeMs, callback) => {
    const timer = setTimeout(callback, Math.max(0, Math.ceil(timeMs - performance.now())));
    return () => {
      clearTimeout(timer);
    };
  },
};

/** A line between unix sockets: every connection over it shares its rate and has its delay. */
export class Relay {
  readonly #wires: readonly [Wire, Wire];
  readonly #clock: Clock;
  readonly #servers: Server[] = [];
  readonly #lanes = new Set<Lane>();
  readonly #sockets = new Set<Socket>();
  #onQuiet: (() => void)[] = [];

  constructor(speed: LinkSpeed, clock: Clock = realClock) {
    this.#wires = [new Wire(speed, clock), new Wire(speed, clock)];
    this.#clock = clock;
  }

  set speed(speed: LinkSpeed) {
    for (const wire of this.#wires) wire.speed = speed;
  }

  get counters(): RelayCounters {
    const [there, back] = this.#wires;
    return { bytes: [there.bytes, back.bytes], connections: this.#sockets.size / 2 };
  }

  async listen({ listen, to, direction }: Route): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (caller) => {
      const callee = connect({ path: to, allowHalfOpen: true });
      const [forth, back] = direction === 0 ? this.#wires : [this.#wires[1], this.#wires[0]];
      this.#join(caller, callee, forth);
      this.#join(callee, caller, back);
    });
    this.#servers.push(server);
    server.listen(listen);
    await once(server, "listening");
  }

  /** Resolves once nothing is under way in either direction. */
  quiet(): Promise<void> {
    return new Promise((resolve) => {
      this.#onQuiet.push(resolve);
      this.#checkQuiet();
    });
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Carries what `from` sends to `to`. */
  #join(from: Socket, to: Socket, wire: Wire): void {
    const lane = new Lane(wire, this.#clock, {
      deliver: (piece) => {
        const accepted = to.write(piece);
        this.#checkQuiet();
        return accepted;
      },
      finished: () => to.end(),
      roomAgain: () => from.resume(),
    });
    this.#lanes.add(lane);
    this.#sockets.add(from);
    from.on("data", (data) => {
      if (!lane.push(data)) from.pause();
    });
    from.on("end", () => {
      lane.finish();
    });
    to.on("drain", () => {
      lane.resume();
    });
    from.on("error", () => {
      to.destroy();
    });
    from.on("close", (hadError) => {
      this.#sockets.delete(from);
      // A connection that was cut is cut for both; one that ended in order still has to deliver what is under way.
      if (hadError || !from.readableEnded) {
        lane.cancel();
        to.destroy();
      }
    });
    to.on("close", () => {
      this.#lanes.delete(lane);
      if (!lane.isFinished) {
        lane.cancel();
        from.destroy();
      }
      this.#checkQuiet();
    });
  }

  #checkQuiet(): void {
    if (this.#onQuiet.length === 0 || [...this.#lanes].some((lane) => lane.waitingBytes > 0)) return;
    const waiting = this.#onQuiet;
    this.#onQuiet = [];
    for (const resolve of waiting) resolve();
  }
}
