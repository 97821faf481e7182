import { HomewardError } from "../../common/errors.ts";
import type { XConnection } from "./connection.ts";

/** The requests of the X11 protocol that are used here, with opcodes of its appendix B; window 0 is none. */
const OPCODE = {
  changeWindowAttributes: 2,
  getWindowAttributes: 3,
  getGeometry: 14,
  queryTree: 15,
  internAtom: 16,
  getProperty: 20,
  queryPointer: 38,
  translateCoordinates: 40,
  setInputFocus: 42,
  getInputFocus: 43,
  queryKeymap: 44,
  queryExtension: 98,
  changeKeyboardMapping: 100,
  getKeyboardMapping: 101,
  setModifierMapping: 118,
} as const;

const CW_EVENT_MASK = 1 << 11;
const MAP_STATE_VIEWABLE = 2;
const REVERT_TO_PARENT = 2;

function request(opcode: number, data: number, ...values: readonly number[]): Buffer {
  const message = Buffer.alloc(4 + values.length * 4);
  message.writeUInt8(opcode, 0);
  message.writeUInt8(data, 1);
  message.writeUInt16LE(message.length / 4, 2);
  values.forEach((value, i) => message.writeUInt32LE(value >>> 0, 4 + i * 4));
  return message;
}

/** A request that ends in a text. */
function named(opcode: number, data: number, name: string): Buffer {
  const text = Buffer.from(name, "latin1");
  const message = Buffer.alloc(8 + ((text.length + 3) & ~3));
  request(opcode, data, text.length).copy(message);
  message.writeUInt16LE(message.length / 4, 2);
  text.copy(message, 8);
  return message;
}

/** Asks to be told of events of a window (EventMask bits). */
export function selectEvents(x: XConnection, window: number, mask: number): void {
  x.tell(request(OPCODE.changeWindowAttributes, 0, window, CW_EVENT_MASK, mask));
}

/** Whether a window is on the screen, or would be if nothing covered it. @throws NOT_FOUND */
export async function isViewable(x: XConnection, window: number): Promise<boolean> {
  return (await x.ask(request(OPCODE.getWindowAttributes, 0, window))).readUInt8(26) === MAP_STATE_VIEWABLE;
}

export interface Size {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Size of a window without its border. @throws NOT_FOUND */
export async function windowSize(x: XConnection, window: number): Promise<Size> {
  const reply = await x.ask(request(OPCODE.getGeometry, 0, window));
  return { width: reply.readUInt16LE(16), height: reply.readUInt16LE(18) };
}

/** Where a window's top left pixel is on the screen. @throws NOT_FOUND */
export async function windowOrigin(x: XConnection, window: number): Promise<Point> {
  const reply = await x.ask(request(OPCODE.translateCoordinates, 0, window, x.setup.root, 0));
  return { x: reply.readInt16LE(12), y: reply.readInt16LE(14) };
}

/** A window's parent (0 for the root) and children, bottom-most first. @throws NOT_FOUND */
export async function windowTree(x: XConnection, window: number): Promise<{ parent: number; children: number[] }> {
  const reply = await x.ask(request(OPCODE.queryTree, 0, window));
  const count = Math.min(reply.readUInt16LE(16), (reply.length - 32) >> 2);
  const children = Array.from({ length: count }, (_, i) => reply.readUInt32LE(32 + i * 4));
  return { parent: reply.readUInt32LE(12), children };
}

const MAX_DEPTH = 32;

/** The window itself, its parent and so on, without the root. @throws NOT_FOUND */
export async function ancestry(x: XConnection, window: number): Promise<number[]> {
  const path: number[] = [];
  for (let at = window; at !== x.setup.root && at !== 0 && path.length < MAX_DEPTH; ) {
    path.push(at);
    at = (await windowTree(x, at)).parent;
  }
  return path;
}

export async function atom(x: XConnection, name: string): Promise<number> {
  return (await x.ask(named(OPCODE.internAtom, 0, name))).readUInt32LE(8);
}

/** The start of a property, at most `limit` bytes of it; empty if there is none. @throws NOT_FOUND */
export async function property(x: XConnection, window: number, name: number, limit: number): Promise<Buffer> {
  const reply = await x.ask(request(OPCODE.getProperty, 0, window, name, 0, 0, Math.ceil(limit / 4)));
  const length = reply.readUInt32LE(16) * (reply.readUInt8(1) / 8);
  return reply.subarray(32, 32 + Math.min(length, limit));
}

export interface Pointer {
  readonly x: number;
  readonly y: number;
  /** The child of the root that the pointer is in, or 0. */
  readonly window: number;
  /** Modifiers and buttons: Shift 1, Lock 2, Control 4, Mod1 to Mod5 from 8 on; bits 13 and 14 the keyboard's group. */
  readonly mask: number;
}

export async function queryPointer(x: XConnection): Promise<Pointer> {
  const reply = await x.ask(request(OPCODE.queryPointer, 0, x.setup.root));
  return {
    window: reply.readUInt32LE(12),
    x: reply.readInt16LE(16),
    y: reply.readInt16LE(18),
    mask: reply.readUInt16LE(24),
  };
}

/** The window that keys go to; 0: none, 1: the one that the pointer is in. */
export async function inputFocus(x: XConnection): Promise<number> {
  return (await x.ask(request(OPCODE.getInputFocus, 0))).readUInt32LE(8);
}

/** Lets keys go to a window. Nothing happens if it is not on the screen. */
export function setInputFocus(x: XConnection, window: number): void {
  x.tell(request(OPCODE.setInputFocus, REVERT_TO_PARENT, window, 0));
}

/** Codes of all keys that are down. */
export async function keysDown(x: XConnection): Promise<number[]> {
  const bits = (await x.ask(request(OPCODE.queryKeymap, 0))).subarray(8, 40);
  return Array.from({ length: 256 }, (_, code) => code).filter((code) => ((bits[code >> 3] ?? 0) >> (code & 7)) & 1);
}

/** What is printed on each key: keycode -> keysyms, those of the first group first. */
export async function keyboardMapping(x: XConnection): Promise<Map<number, readonly number[]>> {
  const { minKeycode, maxKeycode } = x.setup;
  const count = maxKeycode - minKeycode + 1;
  const reply = await x.ask(request(OPCODE.getKeyboardMapping, 0, minKeycode | (count << 8)));
  const width = reply.readUInt8(1);
  if (reply.length < 32 + count * width * 4) throw new HomewardError("ENVIRONMENT", "the X server named no keys");
  return new Map(
    Array.from({ length: count }, (_, key) => [
      minKeycode + key,
      Array.from({ length: width }, (_, i) => reply.readUInt32LE(32 + (key * width + i) * 4)),
    ]),
  );
}

/** Gives every key two keysyms, without and with Shift; keys that are not in the table get none. */
export function changeKeyboardMapping(x: XConnection, table: ReadonlyMap<number, readonly [number, number]>): void {
  const { minKeycode, maxKeycode } = x.setup;
  const keysyms: number[] = [];
  for (let code = minKeycode; code <= maxKeycode; code++) keysyms.push(...(table.get(code) ?? [0, 0]));
  x.tell(request(OPCODE.changeKeyboardMapping, maxKeycode - minKeycode + 1, minKeycode | (2 << 8), ...keysyms));
}

/**
 * Says which keys are modifiers.
 * @param keycodes two for each of Shift, Lock, Control, Mod1 to Mod5; 0 is none
 */
export async function setModifierMapping(x: XConnection, keycodes: readonly number[]): Promise<void> {
  const message = Buffer.alloc(20);
  request(OPCODE.setModifierMapping, 2).copy(message);
  message.writeUInt16LE(message.length / 4, 2);
  message.set(keycodes, 4);
  await x.ask(message);
}

/** RANDR: where the picture of the first output begins, or null if the server knows no outputs. */
export async function firstOutput(x: XConnection): Promise<Point | null> {
  const extension = await x.ask(named(OPCODE.queryExtension, 0, "RANDR"));
  if (extension.readUInt8(8) === 0) return null;
  const opcode = extension.readUInt8(9);
  const [queryVersion, getCrtcInfo, getResources] = [0, 20, 25];
  await x.ask(request(opcode, queryVersion, 1, 3));
  const resources = await x.ask(request(opcode, getResources, x.setup.root));
  const configured = resources.readUInt32LE(12);
  if (resources.readUInt16LE(16) < 1 || resources.length < 36) return null;
  const info = await x.ask(request(opcode, getCrtcInfo, resources.readUInt32LE(32), configured));
  return { x: info.readInt16LE(12), y: info.readInt16LE(14) };
}
