import { printable } from "../../common/progress-display.ts";
import { formatTable } from "../../common/table.ts";
import type { ServiceStatus, WorkspaceStatus } from "../../protocol/control.ts";
import { enumerated, nextHere, workspaceText } from "./workspace.ts";

const NONE = `No workspaces yet. One of these makes one:
  homeward import work IMAGE             from the disk of a machine that you have
  homeward create work --guest desktop   a small Debian desktop to try it with`;

/** How to get a running workspace that has a generation to another host. */
function howToMove({ name, generation }: WorkspaceStatus, { host, peers }: ServiceStatus): string {
  const known = peers.map((peer) => peer.name);
  const holder = known.find((peer) => generation?.holders.includes(peer) === true);
  if (holder !== undefined) return `homeward migrate ${name} ${holder}`;
  const peer = known[0];
  if (peer === undefined) return "homeward pair makes a host known to move it to";
  return (
    `homeward migrate ${name} ${peer}; before the first time: homeward seal ${name} --export DIR, and on ${peer}: ` +
    `homeward create ${name} --from DIR --owner ${host}`
  );
}

/** What a person would most likely want to do next with a workspace; null while it is better left alone. */
export function nextStep(workspace: WorkspaceStatus, status: ServiceStatus): string | null {
  const { name, state, owner, base } = workspace;
  if (state === "away") return `on ${owner}: homeward migrate ${name} ${status.host}`;
  if (state === "running" && base !== null) return howToMove(workspace, status);
  return nextHere(workspace);
}

function listensOn(...places: readonly (string | null)[]): string {
  const open = places.filter((place) => place !== null);
  return open.length === 0 ? "nothing: no other host can move a workspace here" : enumerated(open.map(printable));
}

function service({ host, pid, stateDir, accelerator, listen, listenTls, peers }: ServiceStatus): string {
  const rows: readonly (readonly [label: string, text: string | null])[] = [
    ["folder", stateDir],
    [
      "machines",
      accelerator === null ? null : accelerator === "kvm" ? "on KVM" : "in software emulation: KVM does not work here",
    ],
    ["listens on", listensOn(listen, listenTls)],
    [
      "knows",
      peers.length === 0
        ? "no other host; homeward pair makes one known"
        : enumerated(peers.map(({ name, address }) => `${name} (${printable(address)})`)),
    ],
  ];
  const lines = rows.flatMap(([label, text]) => (text === null ? [] : [[label, text]]));
  return `${host}: this host; its service is running (process ${pid})\n${formatTable(lines, [], "  ")}`;
}

/** A host and its workspaces, each with what to do next. */
export function statusText(status: ServiceStatus, now: Date = new Date()): string {
  const { workspaces } = status;
  const blocks = workspaces.map((workspace) => workspaceText(workspace, now, nextStep(workspace, status)));
  if (blocks.length === 0) blocks.push(NONE);
  return [service(status), ...blocks].join("\n\n");
}
