import type { JSX } from "preact";
import { useId } from "preact/hooks";
import type { Hosts } from "../../../../protocol/control.ts";
import { CommandLine } from "../../components/command-line.tsx";
import { HostId } from "../../components/host-id.tsx";
import { Notice } from "../../components/notice.tsx";
import { texts } from "../../texts/texts.ts";

/** That paired hosts cannot come in, and how to let them. Nothing if they can. */
export function DoorNotice({ hosts }: { readonly hosts: Hosts }): JSX.Element | null {
  const words = texts.hosts;
  if (hosts.listen !== null) return null;
  return (
    <Notice kind="warning">
      <p>
        <strong>{words.shut}</strong>
      </p>
      <p>{words.shutText}</p>
      <CommandLine command={words.shutCommand(hosts.host)} />
    </Notice>
  );
}

/** Who this host is: what another one has to know to pair it. */
export function ThisHost({ hosts }: { readonly hosts: Hosts }): JSX.Element {
  const words = texts.hosts;
  const titleId = useId();
  return (
    <section class="panel" aria-labelledby={titleId}>
      <h2 id={titleId}>
        {hosts.host} <span class="badge">{words.thisHost}</span>
      </h2>
      <HostId id={hosts.id} of={hosts.host} />
      <p class="muted">
        {words.idExplained} {hosts.listen === null ? null : words.listens(hosts.listen)}
      </p>
      <DoorNotice hosts={hosts} />
    </section>
  );
}
