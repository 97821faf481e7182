import { signal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";
import type { ServiceStatus } from "../../../../protocol/control.ts";
import { Button } from "../../components/button.tsx";
import { CommandLine } from "../../components/command-line.tsx";
import { Icon } from "../../components/icon.tsx";
import { hrefOf } from "../../router.ts";
import { texts } from "../../texts/texts.ts";
import { isBeingLaidDown, layDown } from "../workspaces/lay-down.ts";
import { lackingHosts } from "../workspaces/usual-host.ts";
import { guideSteps, needsGuide } from "./guide-steps.ts";

const STORAGE_KEY = "homeward.guide";
const isDismissed = signal(localStorage.getItem(STORAGE_KEY) === "dismissed");

interface StepProps {
  readonly number: number;
  readonly title: string;
  readonly done: boolean;
  /** It is the first that is not done. */
  readonly next: boolean;
  readonly text: string;
  /** What one presses for it, while it is not done. */
  readonly action?: JSX.Element;
  readonly children?: ComponentChildren;
}

function Step({ number, title, done, next, text, action, children }: StepProps): JSX.Element {
  return (
    <li class={done ? "done" : next ? "next" : undefined} aria-current={next ? "step" : undefined}>
      <span class="guide-mark" aria-hidden="true">
        {done ? <Icon name="check" /> : number}
      </span>
      <div>
        <h3>
          {title}
          {done ? <span class="only-read"> ({texts.create.guideDone})</span> : null}
        </h3>
        {done ? null : <p class="muted">{text}</p>}
        {next ? children : null}
      </div>
      {done ? null : action}
    </li>
  );
}

/** How a generation gets to the other host. */
function LayDown({ service }: { readonly service: ServiceStatus }): JSX.Element | null {
  const words = texts.layDown;
  const workspace = service.workspaces.find((each) => isBeingLaidDown(each) || lackingHosts(each, service).length > 0);
  const peer = workspace === undefined ? undefined : (workspace.layDown?.peer ?? lackingHosts(workspace, service)[0]);
  if (workspace === undefined || peer === undefined) return null;
  const { name, base } = workspace;
  return (
    <div class="guide-lay">
      <Button look="primary" icon="hosts" busy={isBeingLaidDown(workspace)} onClick={() => { layDown(workspace, peer); }}>
        {words.named(name, peer)}
      </Button>
      {base === null ? null : (
        <>
          <p class="muted">{words.inTerminal}</p>
          <CommandLine command={words.command(name, peer)} />
        </>
      )}
    </div>
  );
}

/** Whether the guide is shown. */
export function isGuided(service: ServiceStatus): boolean {
  return !isDismissed.value && needsGuide(service);
}

/** Leads through the first run, to the first move; null for who has no need of it any more. */
export function Guide({ service }: { readonly service: ServiceStatus }): JSX.Element | null {
  const words = texts.create;
  const titleId = useId();
  if (!isGuided(service)) return null;
  const { make, pair, lay, move } = guideSteps(service);
  const link = (parts: readonly string[], text: string, look: boolean): JSX.Element => (
    <a class={`button${look ? " primary" : ""}`} href={hrefOf(...parts)}>
      {text}
    </a>
  );
  return (
    <section class="panel guide" aria-labelledby={titleId}>
      <div class="guide-head">
        <h2 id={titleId}>{words.guideTitle}</h2>
        <Button
          look="quiet"
          onClick={() => {
            localStorage.setItem(STORAGE_KEY, "dismissed");
            isDismissed.value = true;
          }}
        >
          {words.guideDismiss}
        </Button>
      </div>
      <p>{words.guideText}</p>
      <ol>
        <Step number={1} title={words.guideMake} done={make} next={!make} text={words.guideMakeText} action={link(["new"], words.guideMake, !make)} />
        <Step
          number={2}
          title={words.guidePair}
          done={pair}
          next={make && !pair}
          text={words.guidePairText}
          action={link(["hosts", "pair"], texts.hosts.pair, make)}
        />
        <Step number={3} title={words.guideLay} done={lay} next={make && pair && !lay} text={words.guideLayText}>
          <LayDown service={service} />
        </Step>
        <Step number={4} title={words.guideMove} done={move} next={make && pair && lay && !move} text={words.guideMoveText} />
      </ol>
    </section>
  );
}
