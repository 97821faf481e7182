import { join } from "node:path";
import { createInterface } from "node:readline";
import { exited, start, type ChildProcess } from "../../common/spawn.ts";
import type { RecorderFigures } from "./recorder-main.ts";

/** A program of this folder that says a line when it is ready, may answer lines with lines, and ends with its stdin. */
class LineProcess {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>) {
    this.#child = child;
    this.#lines = lines;
  }

  static async start(program: string, args: readonly string[]): Promise<LineProcess> {
    const path = join(import.meta.dirname, program);
    const child = await start(process.execPath, [path, ...args], { stdio: ["pipe", "pipe", "inherit"] });
    if (child.stdout === null) throw new Error("no pipe");
    const lines = createInterface({ input: child.stdout });
    const started = new LineProcess(child, lines[Symbol.asyncIterator]());
    await started.#line();
    return started;
  }

  async ask(question: string): Promise<string> {
    this.#child.stdin?.write(`${question}\n`);
    return this.#line();
  }

  async end(): Promise<void> {
    this.#child.stdin?.end();
    await exited(this.#child);
  }

  async #line(): Promise<string> {
    const next = await this.#lines.next();
    if (next.done === true) throw new Error("a process that was measured ended");
    return next.value;
  }
}

/** A recorder in another process. */
export class RecorderProcess {
  readonly #process: LineProcess;

  private constructor(process: LineProcess) {
    this.#process = process;
  }

  /** @param vncSocket what it records, @param consoleSocket where viewers connect to it */
  static async start(vncSocket: string, consoleSocket: string, logPath: string): Promise<RecorderProcess> {
    return new RecorderProcess(await LineProcess.start("recorder-main.ts", [vncSocket, consoleSocket, logPath]));
  }

  /** @param what "flush" waits until all that was recorded is on disk */
  async figures(what: "now" | "flush"): Promise<RecorderFigures> {
    return JSON.parse(await this.#process.ask(what)) as RecorderFigures;
  }

  async end(): Promise<void> {
    await this.#process.end();
  }
}

/** A relay that does nothing but pass bytes on. @returns ends it */
export async function startBarePipe(to: string, listen: string): Promise<() => Promise<void>> {
  const pipe = await LineProcess.start("pipe-main.ts", [to, listen]);
  return () => pipe.end();
}
