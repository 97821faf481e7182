import { createInterface } from "node:readline";
import { LogStore } from "../../recorder/log-store.ts";
import { Recorder } from "../../recorder/recorder.ts";

/**
 * The recorder in a process of its own, so that its share of the processor can be told: VNC socket, console socket and log
 * file are its arguments; every line on stdin is answered by one with its figures so far.
 */
export interface RecorderFigures {
  /** Bytes of the input log on disk. */
  readonly logBytes: number;
  readonly events: number;
  /** Of all threads. */
  readonly processorMs: number;
}

const [vncSocket = "", consoleSocket = "", logPath = ""] = process.argv.slice(2);
const log = LogStore.open(logPath, { dir: `${logPath}-keys`, workspace: "bench" });
const recorder = await Recorder.start({
  vncSocket,
  consoleSocket,
  log,
  generationRoot: "0".repeat(64),
  onError: (error) => {
    process.stderr.write(`recorder: ${error.message}\n`);
  },
});
process.stdout.write("ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "flush") await recorder.flush();
  const { user, system } = process.cpuUsage();
  const { bytes, events } = recorder.stats();
  const figures: RecorderFigures = { logBytes: bytes, events, processorMs: (user + system) / 1000 };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}
await recorder.stop();
await log.close();
