export interface LinkTimes {
  /** A ping is sent when nothing else was for this long. */
  readonly idleMs: number;
  /** The other host is given up when nothing came from it for this long. Long: a busy computer is not a dead one. */
  readonly deadMs: number;
}

export const LINK_TIMES: LinkTimes = { idleMs: 10_000, deadMs: 60_000 };

export interface SignsOfLifeOptions {
  readonly times: LinkTimes;
  /** Called when this side was quiet for long. */
  readonly onIdle: () => void;
  /** Called once when the other side was. */
  readonly onDead: () => void;
  /** Whether this side reads at all; its own pauses say nothing about the other. */
  readonly isReading: () => boolean;
}

/** Notices that a connection which still looks open leads nowhere, and keeps the other side from thinking so. */
export class SignsOfLife {
  readonly #options: SignsOfLifeOptions;
  readonly #tickMs: number;
  readonly #timer: NodeJS.Timeout;
  #lastSaid = performance.now();
  #silentTicks = 0;

  constructor(options: SignsOfLifeOptions) {
    const { idleMs, deadMs } = options.times;
    this.#options = options;
    this.#tickMs = Math.min(idleMs, deadMs) / 4;
    this.#timer = setInterval(() => {
      this.#tick();
    }, this.#tickMs);
  }

  /** Something came. */
  heard(): void {
    this.#silentTicks = 0;
  }

  /** Something was sent. */
  said(): void {
    this.#lastSaid = performance.now();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const { times, onIdle, onDead, isReading } = this.#options;
    if (performance.now() - this.#lastSaid >= times.idleMs) onIdle();
    // Counting ticks instead of time: a computer that slept or was too busy to read must not take that for silence.
    if (isReading()) this.#silentTicks++;
    if (this.#silentTicks * this.#tickMs < times.deadMs) return;
    this.stop();
    onDead();
  }
}
