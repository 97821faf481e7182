import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useId } from "preact/hooks";
import type { Hosts, MigrationSummary, PendingHost } from "../../../../protocol/control.ts";
import { EmptyState } from "../../components/empty-state.tsx";
import { Page } from "../../components/page.tsx";
import { call, status } from "../../control/service.ts";
import { hrefOf } from "../../router.ts";
import { ago, texts } from "../../texts/texts.ts";
import { HostCard } from "./host-card.tsx";
import { useKnownHosts } from "./known-hosts.ts";
import { ThisHost } from "./this-host.tsx";

/** A stranger that knocked. */
function Knocked({ host }: { readonly host: PendingHost }): JSX.Element {
  const words = texts.hosts;
  const titleId = useId();
  return (
    <article class="panel" aria-labelledby={titleId}>
      <div class="card-head">
        <h3 id={titleId}>{words.knocked}</h3>
        <span class="badge busy">{ago(host.seenAt)}</span>
      </div>
      <p>{words.knockedText(host.address, ago(host.seenAt))}</p>
      <p>
        <code class="id-short">{host.id}</code>
      </p>
      <div>
        <a class="button primary" href={hrefOf("hosts", "pair", host.id)}>
          {words.knockedButton}
        </a>
      </div>
    </article>
  );
}

interface OthersProps {
  readonly hosts: Hosts;
  readonly moves: readonly MigrationSummary[];
  readonly asked: Hosts | null;
}

function Others({ hosts, moves, asked }: OthersProps): JSX.Element {
  const words = texts.hosts;
  const paired = new Map(hosts.hosts.map((host) => [host.name, host]));
  const names = new Set([...paired.keys(), ...(status.value?.peers ?? []).map(({ name }) => name)]);
  if (names.size === 0 && hosts.pending.length === 0)
    return (
      <EmptyState icon="hosts" title={words.emptyTitle}>
        <p>{words.emptyText}</p>
        <a class="button primary" href={hrefOf("hosts", "pair")}>
          {words.pair}
        </a>
      </EmptyState>
    );
  return (
    <section class="panels" aria-label={words.otherHosts}>
      <h2>{words.otherHosts}</h2>
      {hosts.pending.map((host) => (
        <Knocked key={host.id} host={host} />
      ))}
      {[...names].sort().map((name) => (
        <HostCard key={name} name={name} paired={paired.get(name) ?? null} moves={moves} holdings={hosts.holdings} asked={asked} />
      ))}
    </section>
  );
}

/** This host, and those that it knows. */
export function HostsPage(): JSX.Element {
  const words = texts.hosts;
  const hosts = useKnownHosts();
  const moves = useSignal<readonly MigrationSummary[]>([]);
  const asked = useSignal<Hosts | null>(null);
  const names = (status.value?.peers ?? []).map(({ name }) => name).join(" ");
  useEffect(() => {
    if (names === "") return undefined;
    const stop = new AbortController();
    asked.value = null;
    call("hosts", { ask: true }, { signal: stop.signal }).then(
      (answer) => {
        asked.value = answer;
      },
      () => undefined,
    );
    return () => {
      stop.abort();
    };
  }, [names]);
  useEffect(() => {
    // Only for what is known of links: without it the page is as good.
    void call("report", {}).then(({ migrations }) => {
      moves.value = migrations;
    }, () => undefined);
  }, []);
  const isEmpty = hosts === null || (hosts.hosts.length === 0 && hosts.pending.length === 0 && (status.value?.peers ?? []).length === 0);
  return (
    <Page
      title={words.title}
      actions={
        isEmpty ? null : (
          <a class="button primary" href={hrefOf("hosts", "pair")}>
            {words.pair}
          </a>
        )
      }
    >
      {hosts === null ? (
        <p class="muted">{texts.shell.loading}</p>
      ) : (
        <>
          <ThisHost hosts={hosts} />
          <Others hosts={hosts} moves={moves.value} asked={asked.value} />
        </>
      )}
    </Page>
  );
}
