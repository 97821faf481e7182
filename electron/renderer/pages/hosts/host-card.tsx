import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useId } from "preact/hooks";
import type { Holding, Hosts, MigrationSummary, PairedHost } from "../../../../protocol/control.ts";
import { Button } from "../../components/button.tsx";
import { Dialog } from "../../components/dialog.tsx";
import { Facts } from "../../components/facts.tsx";
import { HostId } from "../../components/host-id.tsx";
import { Menu } from "../../components/menu.tsx";
import { Notice } from "../../components/notice.tsx";
import { call, status } from "../../control/service.ts";
import { ago, texts } from "../../texts/texts.ts";
import { holdingsText, linkText, newestMoveWith, rightsText, roomText } from "./describe-host.ts";
import { RightsDialog } from "./rights-dialog.tsx";
import { UnpairDialog } from "./unpair-dialog.tsx";

/** What the last move told of the link to that host; null before there was one. */
function useLink(host: string, moves: readonly MigrationSummary[]): string | null {
  const link = useSignal<string | null>(null);
  const id = newestMoveWith(host, moves)?.id;
  useEffect(() => {
    if (id !== undefined)
      void call("report", { id }).then(
        ({ report }) => {
          link.value = report === null ? null : linkText(report);
        },
        () => undefined,
      );
  }, [id]);
  return link.value;
}

export interface HostCardProps {
  readonly name: string;
  /** Null for one that is reached by a socket, which is not paired. */
  readonly paired: PairedHost | null;
  readonly moves: readonly MigrationSummary[];
  /** What any host holds. */
  readonly holdings: readonly Holding[];
  /** What the hosts answered when they were asked last; null while they are. */
  readonly asked: Hosts | null;
}

/** Another host: where it is, what it may do, what it holds. */
export function HostCard({ name, paired, moves, holdings, asked }: HostCardProps): JSX.Element {
  const words = texts.hosts;
  const titleId = useId();
  const dialog = useSignal<"id" | "rights" | "unpair" | null>(null);
  const open = (which: "id" | "rights" | "unpair" | null) => () => {
    dialog.value = which;
  };
  const link = useLink(name, moves);
  const service = status.value;
  return (
    <article class="panel" aria-labelledby={titleId}>
      <div class="card-head">
        <h3 id={titleId}>{name}</h3>
        {paired === null ? null : (
          <span class={`badge ${paired.lastSeenAt === null ? "busy" : "running"}`}>
            {paired.lastSeenAt === null ? words.neverSeen : words.lastSeen(ago(paired.lastSeenAt))}
          </span>
        )}
        {paired === null ? null : (
          <Menu
            label={words.more(name)}
            icon="more"
            buttonClass="quiet"
            items={[
              { text: words.compare, icon: "hosts", onChoose: open("id") },
              { text: words.changeRights, icon: "check", onChoose: open("rights") },
              { text: words.unpair, icon: "close", danger: true, onChoose: open("unpair") },
            ]}
          />
        )}
      </div>
      {paired === null || paired.lastSeenAt !== null || service === null ? null : (
        <Notice kind="info">{words.neverSeenText(name, service.host)}</Notice>
      )}
      <Facts
        facts={[
          { name: words.address, values: [paired === null ? words.bySocket : paired.address] },
          ...(paired === null ? [] : [{ name: words.rights, values: rightsText(paired.rights, name) }]),
          { name: words.holds, values: holdingsText(name, service?.workspaces ?? [], holdings) },
          { name: words.room, values: [roomText(name, asked)] },
          { name: words.link, values: [link ?? words.linkUnknown] },
        ]}
      />
      {paired === null || dialog.value !== "id" ? null : (
        <Dialog title={words.compareTitle(name)} onClose={open(null)} onSubmit={open(null)} actions={<Button look="primary" submits onClick={() => undefined}>{texts.shell.close}</Button>}>
          <p>{words.compareText(name)}</p>
          <HostId id={paired.id} of={name} />
        </Dialog>
      )}
      {paired === null || dialog.value !== "rights" ? null : <RightsDialog host={paired} onClose={open(null)} />}
      {dialog.value === "unpair" ? <UnpairDialog host={name} onClose={open(null)} /> : null}
    </article>
  );
}
