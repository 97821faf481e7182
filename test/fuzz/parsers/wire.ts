import assert from "node:assert/strict";
import { hardwareFields, hardwareOf, type MachineDefinition } from "../../../protocol/machine.ts";
import { ByteCounter, frameHeader, FrameParser, FRAMES, type FrameName } from "../../../protocol/wire.ts";
import { decodeMessage, encodeMessage, MESSAGES, type MessageName } from "../../../protocol/wire/messages.ts";
import { qemuArguments } from "../../../vm/arguments.ts";
import { machine as plain } from "../../unit/store-fixtures.ts";
import { MACHINE, MESSAGE_SAMPLES } from "../samples.ts";
import type { FuzzedParser } from "../parser.ts";
import { assertSameJson } from "../same-json.ts";
import { inAnyPortions } from "../portions.ts";
import { pick, randomBytes, type Random } from "../random.ts";

function frame(name: FrameName, payload: Buffer): Buffer {
  return Buffer.concat([frameHeader(name, payload.length), payload]);
}

function conversation(random: Random): Buffer {
  const names = Object.keys(FRAMES) as FrameName[];
  const frames = [frame("hello", Buffer.from(JSON.stringify(MESSAGE_SAMPLES.hello)))];
  for (let i = random(12); i > 0; i--) {
    const name = pick(random, names.filter((one) => one !== "hello"));
    frames.push(frame(name, randomBytes(random, random(1 + Math.min(40, FRAMES[name].max)))));
  }
  return Buffer.concat(frames);
}

/** Frames of the connection between two hosts. */
export function frames(): FuzzedParser {
  return {
    name: "frames",
    code: [{ file: "protocol/wire.ts", functions: ["push", "end", "#fillHeader", "#startPayload", "#takeFrame"] }],
    shape: "bytes",
    codes: ["PEER"],
    largestBytes: Math.max(...Object.values(FRAMES).map(({ max }) => max)),
    valid: (random) => Array.from({ length: 40 }, () => conversation(random)),
    parse: (input, random) => {
      const counter = new ByteCounter();
      inAnyPortions(input, random, (portions, heard) => {
        const parser = new FrameParser();
        const again: Buffer[] = [];
        for (const portion of portions)
          for (const { name, payload } of parser.push(portion)) {
            heard([name, payload]);
            counter.add(name, payload.length);
            again.push(frame(name, payload));
          }
        parser.end();
        assert.deepEqual(Buffer.concat(again), input, "frames are not what they were cut from");
      });
      assert.equal(counter.total, 2 * input.length);
      assert.equal(counter.toJSON().total, counter.total);
      return true;
    },
  };
}

/** The JSON in frames; an input names the frame that it is in. */
export function messages(): FuzzedParser {
  const names = Object.keys(MESSAGES) as MessageName[];
  return {
    name: "messages",
    code: [{ file: "protocol/wire/messages.ts" }, { file: "protocol/report.ts" }, { file: "protocol/generation.ts" }],
    shape: "json",
    codes: ["PEER"],
    valid: () => names.map((name) => Buffer.from(JSON.stringify([name, MESSAGE_SAMPLES[name]]))),
    parse: (input) => {
      const text = input.toString("latin1");
      const named = names.find((name) => text.startsWith(`["${name}",`));
      const payload = named === undefined ? input : input.subarray(named.length + 4, -1);
      const name = named ?? "offer";
      const message = decodeMessage(name, payload);
      assertSameJson(decodeMessage(name, encodeMessage(name, message)), message);
      return true;
    },
  };
}

/** Commas and lines in what QEMU is told, which a definition must not be able to add. */
function punctuation(args: readonly string[]): string[] {
  return args.map((arg) => arg.replaceAll(/[^,\n\0]/g, ""));
}

function argumentsFor(definition: MachineDefinition): string[] {
  const uefi = { codePath: "/s/code", variablesPath: "/s/vars" };
  return qemuArguments(definition, {
    name: "work",
    ramPath: "/dev/shm/w/ram",
    diskLayers: ["/s/top.qcow2"],
    kernelPath: definition.kernel === null ? null : "/s/kernel",
    initrdPath: definition.initrd === null ? null : "/s/initrd",
    runDir: "/run/w",
    network: "blocked",
    incoming: true,
    diskFlush: "safe",
    afterShutdown: "stay",
    ...(definition.firmware === "uefi" ? { uefi } : {}),
  });
}

/** The definition of a machine, which becomes QEMU's arguments. */
export function machineDefinition(): FuzzedParser {
  return {
    name: "machine",
    code: [{ file: "protocol/machine.ts" }],
    shape: "json",
    codes: ["PEER", "USAGE"],
    valid: () => [MACHINE, plain].map((definition) => Buffer.from(JSON.stringify(definition))),
    parse: (input) => {
      const offer = JSON.stringify(MESSAGE_SAMPLES.offer).replace(JSON.stringify(MACHINE), () => input.toString());
      const { machine } = decodeMessage("offer", Buffer.from(offer));
      assert.deepEqual({ ...machine, ...hardwareFields(hardwareOf(machine)) }, machine);
      const { firmware, diskBus, nic, kernel, initrd, append } = machine;
      const hardware = JSON.parse(JSON.stringify({ firmware, diskBus, nic })) as Partial<MachineDefinition>;
      // The kernel's command line is an argument of its own.
      const usual = argumentsFor({ ...plain, ...hardware, kernel, initrd, append });
      assert.deepEqual(punctuation(argumentsFor(machine)), punctuation(usual));
      return true;
    },
  };
}
