import { printable } from "../../common/progress-display.ts";
import type { Hosts, PairedHost, Rights } from "../../protocol/control.ts";
import { ago } from "./age.ts";

/** What a paired host may do, in words. */
export function rightsText({ push, take, workspaces }: Rights): string {
  if (!push && !take) return "may neither move workspaces here nor take any from here";
  const may = push && take ? "may move workspaces here and take them from here" : push ? "may only move workspaces here" : "may only take workspaces from here";
  if (workspaces === null) return may;
  return `${may}: ${workspaces.length === 0 ? "none" : workspaces.join(", ")}`;
}

function hostText({ name, id, address, rights, lastSeenAt }: PairedHost, now: Date): string {
  const seen = lastSeenAt === null ? "never seen" : `seen ${ago(lastSeenAt, now)}`;
  return `${name}: at ${printable(address)}, ${seen}\n  ${id}\n  ${rightsText(rights)}`;
}

/** This host's ID, the hosts it is paired with, and those that would like to be. */
export function hostsText({ host, id, listen, hosts, pending }: Hosts, now: Date = new Date()): string {
  const reached = listen === null ? "paired hosts cannot reach it: homeward serve --listen HOST:PORT" : `listens on ${printable(listen)}`;
  const blocks = [`${host}: this host; ${reached}\n  ${id}`, ...hosts.map((each) => hostText(each, now))];
  if (hosts.length === 0) blocks.push("It is paired with no host: homeward pair ID ADDRESS --name NAME, here and there.");
  for (const each of pending)
    blocks.push(
      `A host that is not paired knocked ${ago(each.seenAt, now)}, from ${printable(each.address)}, and was sent away:\n  ${each.id}`,
    );
  return blocks.join("\n\n");
}
