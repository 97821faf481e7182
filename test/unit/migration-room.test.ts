import { describe, expect, it } from "vitest";
import { requireRoom } from "../../service/migration/room.ts";
import { machine } from "./store-fixtures.ts";

const MB = 1_000_000;
const memory = machine.memoryBytes;
const SPARE = 64 * 1024 * 1024;
const offer = {
  workspace: "desk",
  machine,
  mode: "replay",
  hold: false,
  kind: "migration",
  overlay_bytes: 30 * MB,
  device_bytes: 6 * MB,
} as const;
const ONE = memory + 30 * MB + 6 * MB + SPARE;
const TWO = ONE + memory + 30 * MB;
const plenty = { disk: 1e12, memory: 1e12 };

describe("room for a workspace", () => {
  it("is enough for a replay, exactly", () => {
    expect(requireRoom(offer, "far", plenty)).toBeNull();
    expect(requireRoom(offer, "far", { disk: TWO, memory })).toBeNull();
  });

  it("that is too little for a twin costs the replay and not the move", () => {
    expect(requireRoom(offer, "far", { ...plenty, disk: TWO - 1 })).toMatch(/replay was left out: far has 1 MB of disk space/);
    expect(requireRoom({ ...offer, mode: "overlay" }, "far", { ...plenty, disk: ONE })).toBeNull();
    // Held there, it needs no memory; its twin would.
    expect(requireRoom({ ...offer, hold: true }, "far", { ...plenty, memory: memory - 5 * MB })).toMatch(/5 MB of memory/);
    expect(requireRoom({ ...offer, hold: true, mode: "overlay" }, "far", { ...plenty, memory: 0 })).toBeNull();
    expect(requireRoom({ ...offer, kind: "measurement", mode: "overlay" }, "far", { ...plenty, memory: 0 })).toBeNull();
  });

  it.each([
    [{ ...plenty, disk: ONE - 3 * MB }, /far has too little disk space for desk/, /Free 3 MB on far/],
    [{ ...plenty, memory: memory - 7 * MB }, /far has too little memory free to run desk/, /7 MB are missing.*--hold/],
  ])("that is too little for it is refused, saying how much is missing", (free, message, hint) => {
    expect(() => requireRoom(offer, "far", free)).toThrow(
      expect.objectContaining({
        code: "NO_ROOM",
        message: expect.stringMatching(message) as string,
        hint: expect.stringMatching(hint) as string,
      }) as Error,
    );
  });
});
