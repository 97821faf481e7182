import { printable } from "../../common/progress-display.ts";
import { formatTable } from "../../common/table.ts";
import type { ServiceStatus, WorkspaceStatus } from "../../protocol/control.ts";
import { enumerated, workspaceText } from "./workspace.ts";

/** What a person would most likely want to do next with a workspace; null while it is better left alone. */
export function nextStep(workspace: WorkspaceStatus, { host, peers }: ServiceStatus): string | null {
  const { name, state, owner, base, generation } = workspace;
  switch (state) {
    case "off":
    case "suspended":
      return `homeward start ${name}`;
    case "away":
      return `on ${owner}: homeward migrate ${name} ${host}`;
    case "running": {
      if (base === null) return `homeward console ${name} --open, then homeward seal ${name}: from there on it is recorded`;
      const known = peers.map((peer) => peer.name);
      const holder = known.find((peer) => generation?.holders.includes(peer) === true);
      if (holder !== undefined) return `homeward migrate ${name} ${holder}`;
      const peer = known[0];
      return peer === undefined
        ? `start the service with --peer NAME=SOCKET to have a host to move it to`
        : `homeward seal ${name} --export DIR, then on ${peer}: homeward create ${name} --from DIR --owner ${host}`;
    }
    case "paused-for-migration":
    case "busy":
      return null;
  }
}

function service({ host, pid, stateDir, accelerator, listen, peers }: ServiceStatus): string {
  const rows: readonly (readonly [label: string, text: string | null])[] = [
    ["state", stateDir],
    [
      "machines",
      accelerator === null ? null : accelerator === "kvm" ? "on KVM" : "in software emulation: KVM does not work here",
    ],
    ["listens on", listen ?? "nothing: no other host can move a workspace here"],
    [
      "knows",
      peers.length === 0
        ? "no other host; homeward serve --peer NAME=SOCKET makes it known"
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
  if (blocks.length === 0) blocks.push("No workspaces yet. This makes one:\n  homeward create work --guest desktop");
  return [service(status), ...blocks].join("\n\n");
}
