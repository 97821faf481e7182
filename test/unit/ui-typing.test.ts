import { describe, expect, it } from "vitest";
import { keyOf, SPECIAL_KEYS } from "../../electron/renderer/pages/console/keys.ts";
import { press, typeable, typeText } from "../../electron/renderer/pages/console/typing.ts";
import { keyForChar } from "../../vm/rfb/keymap.ts";

const PRINTABLE = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i));

function recorder(): { readonly sent: string[]; readonly send: (key: { readonly code: string }, down: boolean) => void } {
  const sent: string[] = [];
  return { sent, send: ({ code }, down) => sent.push(`${down ? "+" : "-"}${code}`) };
}

describe("typing", () => {
  it("knows every character of a US keyboard as the recorder does", () => {
    for (const character of [...PRINTABLE, "\n", "\t"]) {
      const { keysym, shift } = keyForChar(character);
      expect(keyOf(character), character).toMatchObject({ keysym, shift });
    }
  });

  it("leaves out what no key types, and makes line ends alike", () => {
    expect(typeable("a\r\nb\rc€ä€😀")).toEqual({ characters: ["a", "\n", "b", "\n", "c"], leftOut: ["€", "ä", "😀"] });
  });

  it("holds shift where it is needed and releases in the other order", () => {
    const { sent, send } = recorder();
    for (const { name, keys } of SPECIAL_KEYS) if (name === "Ctrl+Alt+Del") press(send, keys);
    expect(sent).toEqual(["+ControlLeft", "+AltLeft", "+Delete", "-Delete", "-AltLeft", "-ControlLeft"]);
  });

  it("ends when it is stopped, with no key held", async () => {
    const { sent, send } = recorder();
    const stop = new AbortController();
    const onTyped = (count: number): void => {
      if (count === 2) stop.abort();
    };
    await expect(typeText(["A", "b", "c"], send, { signal: stop.signal, onTyped })).rejects.toThrow();
    expect(sent).toEqual(["+ShiftLeft", "+KeyA", "-KeyA", "-ShiftLeft", "+KeyB", "-KeyB"]);
  });
});
