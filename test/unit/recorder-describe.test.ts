import { describe, expect, it } from "vitest";
import type { InputEvent } from "../../protocol/input-log.ts";
import { formatTime } from "../../common/quantities.ts";
import { describeLog } from "../../recorder/describe.ts";
import { keyForChar, keyForName } from "../../vm/rfb/keymap.ts";
import { checkpoint, ONE_OF_EACH, randomEvents } from "./input-log-events.ts";

class Script {
  readonly events: InputEvent[] = [];
  #now = 0;

  wait(ms: number): this {
    this.#now += ms;
    return this;
  }
  key(keysym: number, down: boolean): this {
    this.events.push({ atMs: this.#now, kind: "key", down, keysym, keycode: 1 });
    return this.wait(10);
  }
  press(name: string): this {
    return this.key(keyForName(name).keysym, true).key(keyForName(name).keysym, false);
  }
  text(text: string): this {
    for (let i = 0; i < text.length; i++) {
      const { keysym } = keyForChar(text.charAt(i));
      this.key(keysym, true).key(keysym, false);
    }
    return this;
  }
  pointer(x: number, y: number, buttons: number): this {
    this.events.push({ atMs: this.#now, kind: "pointer", x, y, buttons });
    return this.wait(10);
  }
  checkpoint(): this {
    this.events.push({ atMs: this.#now, kind: "checkpoint", checkpoint: checkpoint([[1, 2]], [1]) });
    return this;
  }
}

async function lines(events: readonly InputEvent[], showText = true): Promise<string[]> {
  const all: string[] = [];
  for await (const { atMs, text } of describeLog(events, { showText })) all.push(`${formatTime(atMs)}  ${text}`);
  return all;
}

const CHECKPOINT = "checkpoint 64x48: 1 cells changed, 1 volatile, 17 ms old";

describe("describeLog", () => {
  it("puts typing together", async () => {
    const script = new Script().checkpoint().text("ls").checkpoint().text(" -la").press("enter").wait(61_000).text("x");
    expect(await lines(script.events)).toEqual([
      `0:00.000  ${CHECKPOINT}`,
      "0:00.000  typed 'ls -la' Enter",
      `0:00.040  ${CHECKPOINT}`,
      "1:01.140  typed 'x'",
    ]);
    expect(await lines(script.events, false)).toContain("0:00.000  typed 6 characters and 1 other key");
  });

  it("names chords and other keys, and hides modifiers", async () => {
    const { keysym: ctrl } = keyForName("ctrl");
    const script = new Script().text("a").press("backspace").key(ctrl, true).text("s").key(ctrl, false).press("f5").text("b");
    expect(await lines(script.events)).toEqual(["0:00.000  typed 'a' Backspace Ctrl+s F5 'b'"]);
  });

  it("tells clicks, drags, scrolling and motion apart", async () => {
    const script = new Script()
      .pointer(5, 5, 0)
      .pointer(100, 200, 0)
      .checkpoint()
      .pointer(100, 200, 1)
      .pointer(101, 200, 0)
      .pointer(150, 150, 4)
      .pointer(170, 180, 4)
      .pointer(300, 180, 0)
      .pointer(300, 180, 16)
      .pointer(300, 180, 0)
      .pointer(300, 180, 16)
      .pointer(300, 180, 0)
      .text("k")
      .pointer(7, 8, 0);
    expect(await lines(script.events)).toEqual([
      `0:00.020  ${CHECKPOINT}`,
      "0:00.020  clicked left at 100,200",
      "0:00.040  dragged right from 150,150 to 300,180",
      "0:00.070  scrolled down 2 at 300,180",
      "0:00.110  typed 'k'",
      "0:00.130  moved the pointer to 7,8",
    ]);
  });

  it("says the rest in words", async () => {
    const text = (await lines(ONE_OF_EACH)).join("\n");
    expect(text).toContain("power: host-reset");
    expect(text).toContain("network: 3 connections");
    expect(text).toContain("24:00:00.000  record-resume");
  });

  it("copes with any log", async () => {
    for (let seed = 0; seed < 20; seed++) {
      const described = await lines(randomEvents(500, seed));
      expect(described.every((line) => /^[\d:.]+ {2}\S/.test(line))).toBe(true);
    }
  });
});
