import type { z } from "zod";
import { HomewardError, toHomewardError } from "../common/errors.ts";
import { exited, start, type ChildProcess } from "../common/spawn.ts";
import { endError, MessageLines, type EndMessage } from "./messages.ts";

export interface ChildOptions<Message extends { readonly type: string }> {
  /** File of the program. */
  readonly program: string;
  readonly env: NodeJS.ProcessEnv;
  readonly schema: z.ZodType<Message | EndMessage>;
  readonly onMessage: (message: Message) => void;
  /** Called once: the program said why it ends, died, or said something that it should not. Not after `stop`. */
  readonly onEnd: (error: HomewardError) => void;
}

/** What it does not take in time. */
const MAX_UNSENT_BYTES = 1024 * 1024;
const LAST_WORDS = 500;

/** A program of ours that holds a native module, in a process of its own. */
export class ChildProgram<Message extends { readonly type: string }> {
  readonly #process: ChildProcess;
  readonly #options: ChildOptions<Message>;
  #ended = false;
  #lastWords = "";

  private constructor(process: ChildProcess, options: ChildOptions<Message>) {
    this.#process = process;
    this.#options = options;
    const lines = new MessageLines(options.schema, (message) => {
      this.#take(message);
    });
    process.stdout?.setEncoding("utf8").on("data", (text: string) => {
      try {
        if (!this.#ended) lines.push(text);
      } catch (error) {
        this.#end(toHomewardError(error));
      }
    });
    process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-LAST_WORDS);
    });
    process.stdin?.on("error", () => undefined);
    process.on("close", (status, signal) => {
      const how = signal === null ? `with status ${String(status)}` : `by ${signal}`;
      const words = this.#lastWords.trim().split("\n").at(-1) ?? "";
      this.#end(new HomewardError("ENVIRONMENT", `the program that ${purpose(options.program)} ended ${how}${words === "" ? "" : `: ${words}`}`));
    });
  }

  static async start<M extends { readonly type: string }>(options: ChildOptions<M>): Promise<ChildProgram<M>> {
    const child = await start(process.execPath, [options.program], { env: options.env, stdio: ["pipe", "pipe", "pipe"] });
    return new ChildProgram(child, options);
  }

  send(command: object): void {
    const { stdin } = this.#process;
    if (this.#ended || stdin === null) return;
    stdin.write(`${JSON.stringify(command)}\n`);
    if (stdin.writableLength > MAX_UNSENT_BYTES)
      this.#end(new HomewardError("TIMEOUT", `the program that ${purpose(this.#options.program)} takes nothing any more`));
  }

  /** Ends the process; resolves when it is gone. What it says on its way is not looked at. */
  async stop(): Promise<void> {
    this.#ended = true;
    this.#process.kill("SIGKILL");
    await exited(this.#process);
  }

  #take(message: Message | EndMessage): void {
    if (this.#ended) return;
    if (isEnd(message)) this.#end(endError(message));
    else this.#options.onMessage(message);
  }

  #end(error: HomewardError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#process.kill("SIGKILL");
    this.#options.onEnd(error);
  }
}

function isEnd(message: { readonly type: string }): message is EndMessage {
  return message.type === "end";
}

function purpose(program: string): string {
  return program.includes("capture") ? "listens to the window" : "types into the window";
}
