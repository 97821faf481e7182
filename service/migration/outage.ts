import { HomewardError } from "../../common/errors.ts";

const TICK_MS = 1000;

export interface OutageOptions {
  readonly peer: string;
  readonly patienceMs: number;
  /** Why the connection was lost. */
  readonly cause: HomewardError;
  /** Called at once and every second with how long it has lasted. */
  readonly onTick: (lastedMs: number) => void;
  /** Called once, when it has lasted too long. */
  readonly onEnough: (error: HomewardError) => void;
}

/** The time in which a link has no connection. */
export class Outage {
  readonly #ended = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor({ peer, patienceMs, cause, onTick, onEnough }: OutageOptions) {
    let lastedMs = 0;
    const tick = (): void => {
      onTick(lastedMs);
      if (lastedMs < patienceMs) return;
      this.end();
      const seconds = Math.round(lastedMs / 1000);
      onEnough(new HomewardError("PEER", `the connection to ${peer} was lost for ${seconds} s: ${cause.message}`, { cause }));
    };
    // Ticks are counted: the time in which this computer sleeps is not taken from anybody's patience.
    this.#timer = setInterval(() => {
      lastedMs += TICK_MS;
      tick();
    }, TICK_MS);
    tick();
  }

  /** Fires when it is over, however. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  end(): void {
    clearInterval(this.#timer);
    this.#ended.abort();
  }
}
