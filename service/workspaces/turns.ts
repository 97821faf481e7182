import { HomewardError } from "../../common/errors.ts";

interface Operation {
  readonly doing: string;
  /** Short, and nobody asked for it. */
  readonly housekeeping: boolean;
}

/** Lets one operation at a time have a workspace. */
export class Turns {
  readonly #name: string;
  readonly #onEnd: () => void;
  #current: Operation | null = null;
  #idle: Promise<void> = Promise.resolve();
  #closed = false;

  /**
   * @param name of the workspace, for messages
   * @param onEnd called after every operation
   */
  constructor(name: string, onEnd: () => void) {
    this.#name = name;
    this.#onEnd = onEnd;
  }

  /** What somebody asked for and is under way; null when nothing is. Housekeeping keeps nobody waiting and is not told. */
  get doing(): string | null {
    return this.#current === null || this.#current.housekeeping ? null : this.#current.doing;
  }

  get taken(): boolean {
    return this.#current !== null;
  }

  /** Resolves when the operation that is under way now, if any, is over. */
  idle(): Promise<void> {
    return this.#idle;
  }

  /** An operation that someone asks for. @throws CONFLICT while another one is under way */
  async ask<T>(doing: string, work: () => Promise<T>): Promise<T> {
    while (this.#current?.housekeeping === true) await this.#idle;
    if (this.#current !== null)
      throw new HomewardError("CONFLICT", `${this.#name} is busy (${this.#current.doing})`, {
        hint: "Wait for that to end.",
      });
    return this.#begin({ doing, housekeeping: false }, work);
  }

  /** Something short that nobody asks for: it waits for its turn, and operations that are asked for wait for it. */
  async keepHouse<T>(doing: string, work: () => Promise<T>): Promise<T> {
    while (this.#current !== null) await this.#idle;
    return this.#begin({ doing, housekeeping: true }, work);
  }

  /** Nothing begins any more; resolves when what is under way is over. */
  async close(): Promise<void> {
    while (this.#current !== null) await this.#idle;
    this.#closed = true;
  }

  async #begin<T>(operation: Operation, work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new HomewardError("CONFLICT", "the service ends");
    this.#current = operation;
    const running = work().finally(() => {
      this.#current = null;
    });
    this.#idle = running.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await running;
    } finally {
      this.#onEnd();
    }
  }
}
