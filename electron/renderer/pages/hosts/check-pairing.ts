import { toHomewardError } from "../../../../common/errors.ts";
import { nameSchema, type Hosts, type Rights } from "../../../../protocol/control.ts";
import { checkHostIdStart, parseHostId } from "../../../../protocol/host-id.ts";
import { formatPeerAddress, parsePeerAddress } from "../../../../protocol/peer-address.ts";
import { texts } from "../../texts/texts.ts";

/** What is said of something that was typed. "unfinished": nothing is wrong so far. */
export type Checked =
  | { readonly kind: "good"; readonly value: string; readonly text: string }
  | { readonly kind: "unfinished"; readonly text: string }
  | { readonly kind: "wrong"; readonly text: string };

/** Where paired hosts usually listen. */
export const USUAL_PORT = 7411;

/** The ID of another host while it is typed: a wrong check character is said at once, a missing rest is not an error. */
export function checkId(typed: string, known: Hosts | null): Checked {
  const words = texts.hosts;
  if (typed.trim() === "") return { kind: "unfinished", text: words.otherIdHint };
  try {
    const { digits, of } = checkHostIdStart(typed);
    if (digits < of) return { kind: "unfinished", text: words.otherIdIncomplete(digits, of) };
    const id = parseHostId(typed);
    if (id === known?.id) return { kind: "wrong", text: words.otherIdSelf };
    const paired = known?.hosts.find((host) => host.id === id);
    if (paired !== undefined) return { kind: "wrong", text: words.otherIdKnown(paired.name) };
    return { kind: "good", value: id, text: words.otherIdGood };
  } catch (thrown) {
    const { message, hint } = toHomewardError(thrown);
    const sentence = message.charAt(0).toUpperCase() + message.slice(1);
    return { kind: "wrong", text: hint === undefined ? `${sentence}.` : `${sentence}. ${hint}` };
  }
}

export function checkName(typed: string): Checked {
  const words = texts.hosts;
  const name = typed.trim();
  if (name === "") return { kind: "unfinished", text: words.otherNameHint };
  return nameSchema.safeParse(name).success ? { kind: "good", value: name, text: words.otherNameHint } : { kind: "wrong", text: words.otherNameError };
}

export function checkAddress(typed: string): Checked {
  const words = texts.hosts;
  const text = typed.trim();
  if (text === "") return { kind: "unfinished", text: words.otherAddressHint };
  try {
    return { kind: "good", value: formatPeerAddress(parsePeerAddress(text)), text: words.otherAddressHint };
  } catch {
    return { kind: "wrong", text: words.otherAddressHint };
  }
}

/** Where a host that knocked probably listens: it came from a port of chance. "" if its address cannot be read. */
export function probableAddress(knockedFrom: string): string {
  try {
    return formatPeerAddress({ host: parsePeerAddress(knockedFrom).host, port: USUAL_PORT });
  } catch {
    return "";
  }
}

/** Names as they are typed, with commas or spaces; null if one is none. */
export function parseNames(typed: string): string[] | null {
  const names = typed.split(/[,\s]+/).filter((name) => name !== "");
  return names.every((name) => nameSchema.safeParse(name).success) ? [...new Set(names)] : null;
}

/** What a form about rights holds. */
export interface RightsDraft {
  readonly push: boolean;
  readonly take: boolean;
  readonly all: boolean;
  /** As it is typed; counts if not `all`. */
  readonly names: string;
}

export function draftOf({ push, take, workspaces }: Rights): RightsDraft {
  return { push, take, all: workspaces === null, names: workspaces?.join(", ") ?? "" };
}

/** Null as long as a name in it is none. */
export function rightsOf({ push, take, all, names }: RightsDraft): Rights | null {
  const workspaces = all ? null : parseNames(names);
  return !all && workspaces === null ? null : { push, take, workspaces };
}
