import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DemoContext } from "./context.ts";
import { measureAlternatives, type Alternatives } from "./alternatives.ts";
import { move, type Arrival } from "./move.ts";
import { useMachine, wakeMachine } from "./person.ts";
import { savePicture, sideBySide, visibleDifference, type Picture } from "./pictures.ts";
import { prepare } from "./prepare.ts";
import { demoReport, type DemoReport } from "./report.ts";
import { reportText } from "./report-text.ts";
import { estimateSession } from "./session/estimate.ts";
import { setUpHosts } from "./two-hosts.ts";
import { atHome } from "./way-back.ts";

async function savePictures(out: string, pictures: Readonly<Record<string, Picture>>): Promise<string[]> {
  await mkdir(out, { recursive: true });
  const paths = Object.keys(pictures).map((name) => join(out, `${name}.png`));
  await Promise.all(Object.entries(pictures).map(([name, picture]) => savePicture(picture, join(out, `${name}.png`))));
  return paths;
}

export interface DemoOutcome {
  readonly report: DemoReport;
  /** The same for people. */
  readonly text: string;
}

/** On two slow cores, with the desktop guest. */
const USUAL_SECONDS = { hosts: 15, start: 2, alternatives: 40 };

/** The whole story, one phase after the other. */
export async function runDemo(context: DemoContext): Promise<DemoOutcome> {
  const { options, session, phases, signal } = context;
  const sessionSeconds = estimateSession(session) / 1000;
  const sealed = await prepare(options.guest, context);
  const hosts = await phases.run("start both hosts", USUAL_SECONDS.hosts, (progress) =>
    setUpHosts(sealed.dir, progress, context),
  );
  const { laptop, home } = hosts;

  const atLaptop = await phases.run("start the machine", USUAL_SECONDS.start, (progress) =>
    wakeMachine(laptop, progress, signal),
  );
  const before = await phases.run("use it", sessionSeconds, (progress) =>
    useMachine(atLaptop, session, progress, signal),
  );
  const there = await move(laptop, home, sessionSeconds, hosts, context);
  const { report } = there.move;
  const alternatives = await phases.run("measure other ways", USUAL_SECONDS.alternatives, (progress) =>
    measureAlternatives(hosts, report.root_destination, report.level, progress, context),
  );
  const lastLine = atHome(options.guest);
  const lastLineSeconds = estimateSession(lastLine) / 1000;
  await phases.run("use it at home", lastLineSeconds, (progress) =>
    useMachine(there.client, lastLine, progress, signal),
  );
  const back = await move(home, laptop, lastLineSeconds, hosts, context);
  back.client.close();

  return conclude({ before, there, back, alternatives }, context);
}

/** What the phases brought to light. */
interface Findings {
  /** The laptop's screen when the lid was closed. */
  readonly before: Picture;
  readonly there: Arrival;
  readonly back: Arrival;
  readonly alternatives: Alternatives;
}

function facts({ move, verification }: Arrival): object {
  return { ...move, verification };
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Writes pictures and report, both for people and for programs. */
async function conclude({ before, there, back, alternatives }: Findings, context: DemoContext): Promise<DemoOutcome> {
  const { options, phases } = context;
  const { out } = options;
  const pictures = await savePictures(out, {
    before,
    after: there.picture,
    "before-and-after": sideBySide(before, there.picture),
    back: back.picture,
  });
  const { overlayReport, ...otherBytes } = alternatives;
  const report = demoReport({ there: there.move, back: back.move, ...otherBytes, out });
  const surroundings = {
    took: phases.took,
    link: options.linkText,
    pictureDifference: visibleDifference(before, there.picture),
    pictures,
    notes: [...there.move.report.notes, ...back.move.report.notes],
  };
  const text = reportText(report, surroundings, options.link.bitsPerSecond);
  const details = { there: facts(there), back: facts(back), overlay: overlayReport, ...surroundings };
  await writeFile(join(out, "report.json"), json(report));
  await writeFile(join(out, "details.json"), json(details));
  await writeFile(join(out, "report.txt"), `${text}\n`);
  return { report, text };
}
