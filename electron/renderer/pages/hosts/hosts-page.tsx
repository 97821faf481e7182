import type { JSX } from "preact";
import { CommandLine } from "../../components/command-line.tsx";
import { EmptyState } from "../../components/empty-state.tsx";
import { Page } from "../../components/page.tsx";
import { status } from "../../control/service.ts";
import { texts } from "../../texts/texts.ts";

/** The hosts that this one knows. */
export function HostsPage(): JSX.Element {
  const words = texts.hosts;
  const peers = status.value?.peers ?? [];
  return (
    <Page title={words.title}>
      {peers.length === 0 ? (
        <EmptyState icon="hosts" title={words.emptyTitle}>
          <p>{words.emptyText}</p>
          <p>{words.emptyHint}</p>
          <CommandLine command="homeward hosts" />
        </EmptyState>
      ) : (
        <ul class="list">
          {peers.map(({ name, address }) => (
            <li key={name}>
              <strong>{name}</strong>
              <span class="muted">{address}</span>
            </li>
          ))}
        </ul>
      )}
    </Page>
  );
}
