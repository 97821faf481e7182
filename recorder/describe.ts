import type { InputEvent, KeyInput, PointerInput } from "../protocol/input-log.ts";
import { LineQueue, type FinishedLine } from "./describe-lines.ts";
import { PointerLines } from "./describe-pointer.ts";
import { TypingLines } from "./describe-typing.ts";

export interface DescribeOptions {
  /** Print what was typed; otherwise only how much. */
  readonly showText: boolean;
}

function describeOther(event: Exclude<InputEvent, KeyInput | PointerInput>): string {
  switch (event.kind) {
    case "checkpoint": {
      const { cells, volatile, ageMs, width, height } = event.checkpoint;
      return `checkpoint ${width}x${height}: ${cells.size} cells changed, ${volatile.length} volatile, ${ageMs} ms old`;
    }
    case "power":
      return `power: ${event.action}`;
    case "network":
      return `network: ${event.connections} connections`;
    case "mark":
      return event.mark;
  }
}

/**
 * The log in words, a line an action, for people. Typing, clicks, drags and scrolling are put together from their single
 * events; the lines stay in the order in which the actions began.
 */
export async function* describeLog(
  events: Iterable<InputEvent> | AsyncIterable<InputEvent>,
  { showText }: DescribeOptions,
): AsyncGenerator<FinishedLine, void, undefined> {
  const lines = new LineQueue();
  const typing = new TypingLines(lines, showText);
  const pointer = new PointerLines(lines);
  for await (const event of events) {
    if (event.kind === "key") {
      pointer.end();
      typing.key(event.atMs, event);
    } else if (event.kind === "pointer") {
      if (pointer.startsSomething(event)) typing.end();
      pointer.pointer(event.atMs, event);
    } else lines.add(event.atMs, describeOther(event));
    if (lines.tooLong) {
      typing.end();
      pointer.end();
    }
    yield* lines.finished();
  }
  typing.end();
  pointer.end();
  yield* lines.finished();
}
