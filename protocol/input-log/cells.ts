import type { ByteReader, ByteWriter } from "../../common/bytes.ts";
import { HomewardError } from "../../common/errors.ts";

/**
 * Sets of grid cells, written as runs of neighbours: a changed line of text or a new window is a few runs. Each run is
 * varint(cells skipped since the end of the run before), varint(length); lumas follow a run as plain bytes.
 */

interface Run {
  readonly first: number;
  readonly length: number;
}

function runsOf(cells: readonly number[]): Run[] {
  const runs: { first: number; length: number }[] = [];
  let last: { first: number; length: number } | undefined;
  for (const cell of cells) {
    if (last !== undefined && cell === last.first + last.length) {
      last.length++;
    } else {
      last = { first: cell, length: 1 };
      runs.push(last);
    }
  }
  return runs;
}

function writeRuns(writer: ByteWriter, cells: readonly number[], afterRun: (run: Run) => void): void {
  const runs = runsOf(cells);
  writer.varint(runs.length);
  let end = 0;
  for (const run of runs) {
    if (run.first < end) throw new HomewardError("INTERNAL", "checkpoint cells are not in ascending order");
    writer.varint(run.first - end).varint(run.length);
    end = run.first + run.length;
    afterRun(run);
  }
}

function readRuns(reader: ByteReader, limit: number, eachRun: (run: Run) => void): void {
  const count = reader.varint();
  let end = 0;
  for (let i = 0; i < count; i++) {
    const first = end + reader.varint();
    const length = reader.varint();
    end = first + length;
    if (length === 0 || end > limit)
      throw new HomewardError("DAMAGED", "a checkpoint names cells outside the screen", { data: { end, limit } });
    eachRun({ first, length });
  }
}

/** @param cells ascending */
export function writeCellSet(writer: ByteWriter, cells: readonly number[]): void {
  writeRuns(writer, cells, () => undefined);
}

/** @param limit cells on the screen */
export function readCellSet(reader: ByteReader, limit: number): number[] {
  const cells: number[] = [];
  readRuns(reader, limit, ({ first, length }) => {
    for (let i = 0; i < length; i++) cells.push(first + i);
  });
  return cells;
}

/** @param cells cell -> luma (0 to 255), in any order */
export function writeCellLumas(writer: ByteWriter, cells: ReadonlyMap<number, number>): void {
  const ascending = [...cells.keys()].sort((a, b) => a - b);
  writeRuns(writer, ascending, ({ first, length }) => {
    for (let i = 0; i < length; i++) writer.u8(cells.get(first + i) ?? 0);
  });
}

export function readCellLumas(reader: ByteReader, limit: number): Map<number, number> {
  const cells = new Map<number, number>();
  readRuns(reader, limit, ({ first, length }) => {
    reader.bytes(length).forEach((luma, i) => cells.set(first + i, luma));
  });
  return cells;
}
