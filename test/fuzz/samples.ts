import type { Message, MessageName } from "../../protocol/wire/messages.ts";
import type { MachineDefinition } from "../../protocol/machine.ts";
import type { GenerationManifest } from "../../protocol/generation.ts";
import { generationRoot } from "../../syncer/generation-root.ts";
import { MIGRATION_REPORT, MIGRATION_ROW } from "../unit/cli-reports.ts";
import { machine, manifest, rootOf } from "../unit/store-fixtures.ts";

/** A machine with everything that one may have. */
export const MACHINE: MachineDefinition = {
  ...machine,
  kernel: { sha256: rootOf("a"), bytes: 5_000_000 },
  initrd: { sha256: rootOf("b"), bytes: 9_000_000 },
  append: "root=/dev/vda rw",
  firmware: "uefi",
  diskBus: "sata",
  nic: "e1000",
};

/** Whose root follows from its parts. */
export function soundManifest(of: MachineDefinition): GenerationManifest {
  const parts = { ...manifest(rootOf("0")), machine: of };
  return { ...parts, root: generationRoot(parts), parent: rootOf("4") };
}

const { id } = MIGRATION_ROW;

/** One of each message between hosts, with every field that it may have. */
export const MESSAGE_SAMPLES: { readonly [N in MessageName]: Message<N> } = {
  hello: {
    magic: "homeward",
    version: 1,
    host: "laptop",
    time: "2026-01-02T03:04:05.000Z",
    session: "0".repeat(32),
    resume: { session: "f".repeat(32), received: 7 },
  },
  abort: { code: "DAMAGED", message: "the generation is damaged", hint: "Create it again." },
  progress: { phase: "replay", done: 3, total: 40, unit: "steps", note: "2 missed" },
  offer: {
    id,
    kind: "migration",
    workspace: "work",
    mode: "replay",
    base: rootOf("a"),
    machine: MACHINE,
    overlay_bytes: 1_000_000,
    device_bytes: 6_000_000,
    hold: false,
  },
  needEnd: { zero: 3, generation: 1, twin: 2, shipped: 4 },
  deviceEnd: { whole: true, recording_paused: true },
  manifest: soundManifest(MACHINE),
  prepared: {
    root: rootOf("c"),
    blocks: { generation: 1, twin: 2, zero: 3, shipped: 4 },
    replay: {
      outcome: MIGRATION_REPORT.replay ?? { gave_up: "too many misses", masked_cells: 4, speed: 0.5, path: [] },
      recorded_s: 60,
      think_s: 20.5,
      events: 100,
      checkpoints: { total: 5, matched: 4, missed: 1 },
    },
    replay_s: 20,
    resolve_s: 1.5,
    verify_s: 0.5,
    notes: ["something that a person should know"],
  },
  release: { id },
  taken: { id },
  done: { id, resume_s: 0.2, started: false, note: "kept, as was asked for" },
  report: MIGRATION_REPORT,
  query: { id },
  verdict: { id, verdict: "undecided" },
  check: {
    purpose: "migration",
    workspace: "work",
    mode: "overlay",
    base: rootOf("a"),
    machine: MACHINE,
    overlay_bytes: 1_000_000,
    device_bytes: 6_000_000,
    hold: true,
  },
  checked: { missing: [{ code: "NO_ROOM", message: "too little disk space", hint: "Free 5 MB." }] },
  push: {
    workspace: "work",
    manifest: soundManifest(MACHINE),
    files: [
      { name: "device", bytes: 6, allocated: 6 },
      { name: "kernel", bytes: 5_000_000, allocated: 5_000_000 },
      { name: "initrd", bytes: 9_000_000, allocated: 9_000_000 },
      { name: "ram", bytes: machine.memoryBytes, allocated: 4096 },
      { name: "layer-0", bytes: 400_000, allocated: 400_000 },
    ],
  },
  pushWant: { name: "layer-0", landed: 4096 },
  pushStart: { compress: true },
  pushed: { root: rootOf("a"), held: false },
  held: { room: { disk: 1e9, memory: 1e9 }, generations: [{ workspace: "work", root: rootOf("a"), bytes: 5, created_at: "2026-01-02T03:04:05.000Z" }] },
  fence: { workspace: "work", epoch: { number: 1, by: "home" }, root: rootOf("a") },
  fenced: { workspace: "work", kept_as: "work-returned-20260102" },
};
