import { ByteReader, ByteWriter } from "../../common/bytes.ts";
import { HomewardError } from "../../common/errors.ts";
import { readCellLumas, readCellSet, writeCellLumas, writeCellSet } from "./cells.ts";
import { gridColumns, gridRows } from "./checkpoint-state.ts";
import {
  INPUT_LOG_LIMITS,
  type Checkpoint,
  type InputEvent,
  type LogMark,
  type PowerAction,
} from "./events.ts";

/**
 * The uncompressed events of a segment: varint(number of events), then each as
 *   u8 kind, varint(milliseconds since the event before; since 0 for the first), then
 *   key down / up        varint(keysym), varint(keycode)
 *   pointer motion       svarint(x - previous x), svarint(y - previous y); buttons as before
 *   pointer              the same, then u8 buttons
 *   checkpoint           varint width, height, ageMs; cells with luma; volatile cells (cells.ts)
 *   power, mark          u8 index into the lists below
 *   network              varint(connections)
 * The pointer starts at (0, 0) without buttons in every segment, so segments can be read one by one.
 */
const KIND = {
  keyDown: 1,
  keyUp: 2,
  motion: 3,
  pointer: 4,
  checkpoint: 5,
  power: 6,
  network: 7,
  mark: 8,
} as const;

/** Numbers on disk: append only. */
const POWER_ACTIONS: readonly PowerAction[] = [
  "host-reset",
  "host-powerdown",
  "guest-reset",
  "guest-shutdown",
  "host-off",
];
const MARKS: readonly LogMark[] = ["suspend", "resume", "record-pause", "record-resume"];

const MAX_KEYSYM = 0xffffffff;
const MAX_U16 = 0xffff;
const MAX_BUTTONS = 0xff;

function within(value: number, max: number, what: string): number {
  if (value < 0 || value > max) throw new HomewardError("DAMAGED", `the input log holds the impossible ${what} ${value}`);
  return value;
}

function indexOf<T>(list: readonly T[], item: T): number {
  const index = list.indexOf(item);
  if (index < 0) throw new HomewardError("INTERNAL", `the input log knows no "${String(item)}"`);
  return index;
}

function itemAt<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new HomewardError("DAMAGED", `the input log holds an unknown entry ${index}`);
  return item;
}

function writeCheckpoint(writer: ByteWriter, checkpoint: Checkpoint): void {
  writer.varint(checkpoint.width).varint(checkpoint.height).varint(checkpoint.ageMs);
  writeCellLumas(writer, checkpoint.cells);
  writeCellSet(writer, checkpoint.volatile);
}

function readCheckpoint(reader: ByteReader): Checkpoint {
  const width = within(reader.varint(), INPUT_LOG_LIMITS.screenPixels, "screen width");
  const height = within(reader.varint(), INPUT_LOG_LIMITS.screenPixels, "screen height");
  const ageMs = reader.varint();
  const limit = gridColumns(width) * gridRows(height);
  const cells = readCellLumas(reader, limit);
  return { width, height, cells, volatile: readCellSet(reader, limit), ageMs };
}

interface Pointer {
  x: number;
  y: number;
  buttons: number;
}

function writeEvent(writer: ByteWriter, event: InputEvent, sinceLast: number, pointer: Pointer): void {
  const head = (kind: number): ByteWriter => writer.u8(kind).varint(sinceLast);
  switch (event.kind) {
    case "key":
      head(event.down ? KIND.keyDown : KIND.keyUp).varint(event.keysym).varint(event.keycode);
      break;
    case "pointer": {
      const motion = event.buttons === pointer.buttons;
      head(motion ? KIND.motion : KIND.pointer).svarint(event.x - pointer.x).svarint(event.y - pointer.y);
      if (!motion) writer.u8(event.buttons);
      pointer.x = event.x;
      pointer.y = event.y;
      pointer.buttons = event.buttons;
      break;
    }
    case "checkpoint":
      head(KIND.checkpoint);
      writeCheckpoint(writer, event.checkpoint);
      break;
    case "power":
      head(KIND.power).u8(indexOf(POWER_ACTIONS, event.action));
      break;
    case "network":
      head(KIND.network).varint(event.connections);
      break;
    case "mark":
      head(KIND.mark).u8(indexOf(MARKS, event.mark));
      break;
  }
}

function readKey(reader: ByteReader, down: boolean): InputEvent & { readonly kind: "key" } {
  const keysym = within(reader.varint(), MAX_KEYSYM, "keysym");
  const keycode = within(reader.varint(), MAX_U16, "keycode");
  return { atMs: 0, kind: "key", down, keysym, keycode };
}

function readPointer(reader: ByteReader, moved: boolean, pointer: Pointer): InputEvent {
  pointer.x = within(pointer.x + reader.svarint(), MAX_U16, "pointer position");
  pointer.y = within(pointer.y + reader.svarint(), MAX_U16, "pointer position");
  if (!moved) pointer.buttons = within(reader.u8(), MAX_BUTTONS, "button mask");
  return { atMs: 0, kind: "pointer", ...pointer };
}

function readEvent(reader: ByteReader, kind: number, pointer: Pointer): InputEvent {
  switch (kind) {
    case KIND.keyDown:
    case KIND.keyUp:
      return readKey(reader, kind === KIND.keyDown);
    case KIND.motion:
    case KIND.pointer:
      return readPointer(reader, kind === KIND.motion, pointer);
    case KIND.checkpoint:
      return { atMs: 0, kind: "checkpoint", checkpoint: readCheckpoint(reader) };
    case KIND.power:
      return { atMs: 0, kind: "power", action: itemAt(POWER_ACTIONS, reader.u8()) };
    case KIND.network:
      return { atMs: 0, kind: "network", connections: reader.varint() };
    case KIND.mark:
      return { atMs: 0, kind: "mark", mark: itemAt(MARKS, reader.u8()) };
    default:
      throw new HomewardError("DAMAGED", `the input log holds an event of the unknown kind ${kind}`);
  }
}

/** How many cells a checkpoint names, changed or volatile; 0 for other events. */
export function cellsNamed(event: InputEvent): number {
  return event.kind === "checkpoint" ? event.checkpoint.cells.size + event.checkpoint.volatile.length : 0;
}

/** @throws INTERNAL if times run backwards or are not whole, DAMAGED never */
export function writeEvents(events: readonly InputEvent[]): Buffer {
  const writer = new ByteWriter(1024);
  writer.varint(events.length);
  const pointer = { x: 0, y: 0, buttons: 0 };
  let lastMs = 0;
  for (const event of events) {
    if (event.atMs < lastMs) throw new HomewardError("INTERNAL", "the input log's time runs backwards");
    writeEvent(writer, event, event.atMs - lastMs, pointer);
    lastMs = event.atMs;
  }
  return writer.finish();
}

/** @throws DAMAGED */
export function readEvents(raw: Buffer): InputEvent[] {
  const reader = new ByteReader(raw, "log segment");
  const count = within(reader.varint(), INPUT_LOG_LIMITS.segmentEvents, "number of events");
  const events: InputEvent[] = [];
  const pointer = { x: 0, y: 0, buttons: 0 };
  let atMs = 0;
  let cells = 0;
  for (let i = 0; i < count; i++) {
    const kind = reader.u8();
    atMs = within(atMs + reader.varint(), Number.MAX_SAFE_INTEGER, "time");
    const event = readEvent(reader, kind, pointer);
    cells = within(cells + cellsNamed(event), INPUT_LOG_LIMITS.segmentCells, "number of cells");
    events.push({ ...event, atMs });
  }
  reader.end();
  return events;
}
