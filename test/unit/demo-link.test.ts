import { describe, expect, it } from "vitest";
import { Lane, Wire, type Clock } from "../../demo/link/shaping.ts";
import { parseLinkSpeed, UNLIMITED } from "../../demo/link/speed.ts";

/** A clock that only moves when told, and calls back in order. */
class TestClock implements Clock {
  #nowMs = 0;
  #calls: { timeMs: number; callback: () => void }[] = [];

  now(): number {
    return this.#nowMs;
  }

  at(timeMs: number, callback: () => void): () => void {
    const call = { timeMs: Math.max(timeMs, this.#nowMs), callback };
    this.#calls.push(call);
    return () => {
      this.#calls = this.#calls.filter((other) => other !== call);
    };
  }

  advanceTo(timeMs: number): void {
    for (;;) {
      const [next] = this.#calls.sort((a, b) => a.timeMs - b.timeMs);
      if (next === undefined || next.timeMs > timeMs) break;
      this.#calls.shift();
      this.#nowMs = next.timeMs;
      next.callback();
    }
    this.#nowMs = timeMs;
  }
}

class Receiver {
  readonly arrivals: { atMs: number; data: Buffer }[] = [];
  finishedAtMs: number | null = null;
  roomAgainCount = 0;
  accepts = true;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  deliver(data: Buffer): boolean {
    this.arrivals.push({ atMs: this.#clock.now(), data });
    return this.accepts;
  }

  finished(): void {
    this.finishedAtMs = this.#clock.now();
  }

  roomAgain(): void {
    this.roomAgainCount++;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.arrivals.map(({ data }) => data));
  }
}

function setUp(speed = { bitsPerSecond: 1_000_000 as number | null, roundTripMs: 50 }): {
  clock: TestClock;
  wire: Wire;
  receiver: Receiver;
  lane: Lane;
} {
  const clock = new TestClock();
  const wire = new Wire(speed, clock);
  const receiver = new Receiver(clock);
  return { clock, wire, receiver, lane: new Lane(wire, clock, receiver) };
}

function pattern(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (index * 31 + (index >> 8)) % 256));
}

describe("link", () => {
  it("delivers a small message after its size at the rate plus half the round trip", () => {
    const { clock, receiver, lane } = setUp();
    lane.push(Buffer.alloc(125));
    clock.advanceTo(25.9);
    expect(receiver.arrivals).toHaveLength(0);
    clock.advanceTo(26);
    expect(receiver.arrivals.map(({ atMs }) => atMs)).toEqual([26]);
  });

  it("delivers 125 kB over 1 Mbit/s in one second, in order, at an even rate", () => {
    const { clock, wire, receiver, lane } = setUp();
    const data = pattern(125_000);
    lane.push(data);
    clock.advanceTo(525);
    expect(receiver.bytes.length).toBeGreaterThan(61_000);
    expect(receiver.bytes.length).toBeLessThanOrEqual(62_500);
    clock.advanceTo(5000);
    expect(receiver.bytes.equals(data)).toBe(true);
    expect(receiver.arrivals.at(-1)?.atMs).toBeCloseTo(1025, 6);
    expect(wire.bytes).toBe(125_000);
  });

  it("gives back no unused time: after a pause the rate is the same", () => {
    const { clock, receiver, lane } = setUp();
    clock.advanceTo(10_000);
    lane.push(Buffer.alloc(12_500));
    clock.advanceTo(20_000);
    expect(receiver.arrivals.at(-1)?.atMs).toBeCloseTo(10_125, 6);
  });

  it("shares the rate among connections", () => {
    const { clock, wire, receiver, lane } = setUp();
    const other = new Receiver(clock);
    const otherLane = new Lane(wire, clock, other);
    lane.push(Buffer.alloc(62_500));
    otherLane.push(Buffer.alloc(62_500));
    clock.advanceTo(60_000);
    expect(receiver.arrivals.at(-1)?.atMs).toBeCloseTo(525, 6);
    expect(other.arrivals.at(-1)?.atMs).toBeCloseTo(1025, 6);
  });

  it("asks the sender to wait when much is under way, and to go on when half of it has arrived", () => {
    const { clock, receiver, lane } = setUp();
    expect(lane.push(Buffer.alloc(65_535))).toBe(true);
    expect(lane.push(Buffer.alloc(1))).toBe(false);
    clock.advanceTo(200);
    expect(receiver.roomAgainCount).toBe(0);
    clock.advanceTo(400);
    expect(receiver.roomAgainCount).toBe(1);
  });

  it("waits for a receiver that does not take more, and loses nothing", () => {
    const { clock, receiver, lane } = setUp();
    const data = pattern(10_000);
    receiver.accepts = false;
    lane.push(data);
    clock.advanceTo(10_000);
    expect(receiver.arrivals).toHaveLength(1);
    expect(lane.waitingBytes).toBe(10_000 - 1460);
    receiver.accepts = true;
    lane.resume();
    clock.advanceTo(10_001);
    expect(receiver.bytes.equals(data)).toBe(true);
    expect(lane.waitingBytes).toBe(0);
  });

  it("ends a connection after its last byte", () => {
    const { clock, receiver, lane } = setUp();
    lane.push(Buffer.alloc(1250));
    lane.finish();
    clock.advanceTo(34.9);
    expect(receiver.finishedAtMs).toBeNull();
    clock.advanceTo(35.1);
    expect(receiver.finishedAtMs).toBeCloseTo(35, 6);
    expect(lane.isFinished).toBe(true);
  });

  it("changes its speed for what is sent from then on", () => {
    const { clock, wire, receiver, lane } = setUp();
    lane.push(Buffer.alloc(1250));
    wire.speed = UNLIMITED;
    lane.push(Buffer.alloc(1250));
    clock.advanceTo(35);
    expect(receiver.bytes).toHaveLength(2500);
  });

  it("without a limit only passes on", () => {
    const { clock, receiver, lane } = setUp(UNLIMITED);
    lane.push(Buffer.alloc(1_000_000));
    clock.advanceTo(0);
    expect(receiver.bytes).toHaveLength(1_000_000);
  });

  it("forgets what is under way when the connection is cut", () => {
    const { clock, receiver, lane } = setUp();
    lane.push(Buffer.alloc(5000));
    lane.cancel();
    clock.advanceTo(10_000);
    expect(receiver.arrivals).toHaveLength(0);
    expect(lane.waitingBytes).toBe(0);
  });
});

describe("parseLinkSpeed", () => {
  it.each([
    ["1mbit,50ms", 1_000_000, 50],
    ["512kbit,0.2s", 512_000, 200],
    ["1.5Mbit/s,80ms", 1_500_000, 80],
    ["10gbit,0ms", 10_000_000_000, 0],
  ])("reads %s", (text, bitsPerSecond, roundTripMs) => {
    expect(parseLinkSpeed(text)).toEqual({ bitsPerSecond, roundTripMs });
  });

  it.each(["", "1mbit", "1mbit,50", "fast,50ms", "-1mbit,5ms", "0mbit,5ms", "1mbit,5ms,7", "1mbit,2000s", "1e9bit,1ms"])(
    "refuses %j",
    (text) => {
      expect(() => parseLinkSpeed(text)).toThrow(/rate and round trip/);
    },
  );
});
