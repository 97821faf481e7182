import { Cleanup } from "../demo/cleanup.ts";
import type { DemoContext } from "../demo/context.ts";
import { parseLinkSpeed } from "../demo/link/speed.ts";
import { readSession } from "../demo/person.ts";
import { Phases } from "../demo/phases.ts";
import type { Reporter } from "../demo/reporter.ts";
import { WorkFolder } from "../demo/work-folder.ts";
import type { GuestName } from "../guests/definition.ts";

const NEEDED_BYTES = 10e9;

/** The demo's phases as lines of text. */
function quietReporter(say: (text: string) => void): Reporter {
  return {
    update: () => undefined,
    phaseDone: (title, seconds) => {
      say(`  ${title}: ${Math.round(seconds)} s`);
    },
    say,
    error: (error) => {
      say(error.message);
    },
    report: () => undefined,
  };
}

export interface BenchDemoOptions {
  readonly sessionFile: string;
  readonly guest: GuestName;
  /** Rate and round trip that the line begins with. */
  readonly linkText: string;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

/** What the demo's parts need to play a session for a measurement. Its `cleanup` is for the caller to run. */
export async function benchDemo({ sessionFile, guest, linkText, say, signal }: BenchDemoOptions): Promise<DemoContext> {
  const session = await readSession(sessionFile, guest);
  const work = await WorkFolder.create(NEEDED_BYTES);
  const cleanup = new Cleanup();
  cleanup.add(() => work.remove());
  const options = { json: false, guest, sessionFile, linkText, link: parseLinkSpeed(linkText), out: work.path, keep: false };
  return { options, session, work, cleanup, phases: new Phases(quietReporter(say)), signal };
}
