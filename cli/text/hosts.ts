import { printable } from "../../common/progress-display.ts";
import { formatBytes } from "../../common/quantities.ts";
import type { Holding, HostRoom, Hosts, PairedHost, Rights } from "../../protocol/control.ts";
import { ago } from "./age.ts";

/** What a paired host may do, in words. */
export function rightsText({ push, take, workspaces }: Rights): string {
  if (!push && !take) return "may neither move workspaces here nor take any from here";
  const may = push && take ? "may move workspaces here and take them from here" : push ? "may only move workspaces here" : "may only take workspaces from here";
  if (workspaces === null) return may;
  return `${may}: ${workspaces.length === 0 ? "none" : workspaces.join(", ")}`;
}

function hostText({ name, id, address, rights, lastSeenAt }: PairedHost, room: HostRoom | undefined, held: readonly Holding[], now: Date): string {
  const seen = lastSeenAt === null ? "never seen" : `seen ${ago(lastSeenAt, now)}`;
  const free = room === undefined ? [] : [`  has ${formatBytes(room.diskBytes)} of disk and ${formatBytes(room.memoryBytes)} of memory free`];
  return [`${name}: at ${printable(address)}, ${seen}`, `  ${id}`, `  ${rightsText(rights)}`, ...free, ...heldLines(held, now)].join("\n");
}

/** A line for each generation that a host holds. */
function heldLines(held: readonly Holding[], now: Date): string[] {
  return held.map(
    ({ workspace, root, bytes, createdAt, seenAt }) =>
      `  holds ${workspace} ${root.slice(0, 12)}, made ${ago(createdAt, now)}, ${formatBytes(bytes)}; known ${ago(seenAt, now)}`,
  );
}

/** This host's ID, the hosts it is paired with and what they hold, and those that would like to be. */
export function hostsText(found: Hosts, now: Date = new Date()): string {
  const { host, id, listen, hosts, pending, holdings, rooms, silent } = found;
  const heldBy = (name: string): Holding[] => holdings.filter((each) => each.host === name);
  const reached = listen === null ? "paired hosts cannot reach it: homeward serve --listen HOST:PORT" : `listens on ${printable(listen)}`;
  const blocks = [`${host}: this host; ${reached}\n  ${id}`, ...hosts.map((each) => hostText(each, rooms.find((room) => room.host === each.name), heldBy(each.name), now))];
  if (hosts.length === 0) blocks.push("It is paired with no host: homeward pair ID ADDRESS --name NAME, here and there.");
  const others = new Set(holdings.map((each) => each.host).filter((name) => !hosts.some((paired) => paired.name === name)));
  for (const name of others) blocks.push([`${name}: not paired`, ...heldLines(heldBy(name), now)].join("\n"));
  if (silent.length > 0) blocks.push(`No answer from ${silent.join(", ")}.`);
  for (const each of pending)
    blocks.push(
      `A host that is not paired knocked ${ago(each.seenAt, now)}, from ${printable(each.address)}, and was sent away:\n  ${each.id}`,
    );
  return blocks.join("\n\n");
}
