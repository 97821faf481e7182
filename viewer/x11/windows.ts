import { HomewardError } from "../../common/errors.ts";
import type { XConnection } from "./connection.ts";
import { ancestry, atom, isViewable, property, windowOrigin, windowSize, windowTree, type Point, type Size } from "./requests.ts";

/** A window as a person knows it. */
export interface WindowInfo extends Size, Point {
  readonly id: number;
  readonly title: string;
  /** Name of the program's kind of window, WM_CLASS. */
  readonly program: string;
}

const MAX_WINDOWS = 512;
const MAX_TEXT_BYTES = 256;

interface Atoms {
  readonly clientList: number;
  readonly netName: number;
  readonly name: number;
  readonly class: number;
}

/** Text of a property: printable, and cut where the property is. */
function printable(bytes: Buffer): string {
  return bytes.toString("utf8").replace(/[\x00-\x1f\x7f-\x9f]+/g, " ").trim();
}

async function describe(x: XConnection, id: number, atoms: Atoms): Promise<WindowInfo | null> {
  try {
    const [viewable, size, origin, netName, name, kind] = await Promise.all([
      isViewable(x, id),
      windowSize(x, id),
      windowOrigin(x, id),
      property(x, id, atoms.netName, MAX_TEXT_BYTES),
      property(x, id, atoms.name, MAX_TEXT_BYTES),
      property(x, id, atoms.class, MAX_TEXT_BYTES),
    ]);
    const program = printable(kind.subarray(kind.indexOf(0) + 1));
    const title = printable(netName.length > 0 ? netName : name);
    return viewable && (title !== "" || program !== "") ? { id, title, program, ...origin, ...size } : null;
  } catch (error) {
    // It was closed meanwhile.
    if (error instanceof HomewardError && error.code === "NOT_FOUND") return null;
    throw error;
  }
}

/** The windows on the screen: what the window manager has in its list, or, without one, the children of the root. */
export async function listWindows(x: XConnection): Promise<WindowInfo[]> {
  const [clientList, netName, name, kind] = await Promise.all(
    ["_NET_CLIENT_LIST", "_NET_WM_NAME", "WM_NAME", "WM_CLASS"].map((each) => atom(x, each)),
  ) as [number, number, number, number];
  const atoms = { clientList, netName, name, class: kind };
  const managed = await property(x, x.setup.root, clientList, MAX_WINDOWS * 4);
  const ids =
    managed.length > 0
      ? Array.from({ length: managed.length >> 2 }, (_, i) => managed.readUInt32LE(i * 4))
      : (await windowTree(x, x.setup.root)).children.slice(-MAX_WINDOWS);
  const found = await Promise.all(ids.map((id) => describe(x, id, atoms)));
  return found.filter((each) => each !== null);
}

/**
 * The one window that is meant by an ID ("0x1c00007" or decimal) or a part of a title.
 * @throws NOT_FOUND, USAGE if several are
 */
export function chooseWindow(windows: readonly WindowInfo[], text: string): WindowInfo {
  const id = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : null;
  const byId = windows.find((each) => each.id === id);
  if (byId !== undefined) return byId;
  const matching = windows.filter(({ title }) => title.toLowerCase().includes(text.toLowerCase()));
  const [only, more] = matching;
  if (only === undefined)
    throw new HomewardError("NOT_FOUND", `no window on this display has the ID or title "${text}"`, {
      hint: "Leave out --window to see which there are.",
    });
  if (more !== undefined)
    throw new HomewardError("USAGE", `${matching.length} windows have "${text}" in their title`, {
      hint: `Give the ID: ${matching.map((each) => windowId(each.id)).slice(0, 5).join(", ")}.`,
    });
  return only;
}

/** As xwininfo and others write it. */
export function windowId(id: number): string {
  return `0x${id.toString(16)}`;
}

/** The child of the root that holds a window: itself, or the frame that the window manager put around it. */
export async function frameOf(x: XConnection, window: number): Promise<number> {
  return (await ancestry(x, window)).at(-1) ?? window;
}
