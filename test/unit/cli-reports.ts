import type { Explained, Hosts, MigrationRow, MigrationSummary, PairedHost, ServiceStatus, WorkspaceStatus } from "../../protocol/control.ts";
import type { MigrationReport, ModeChoice } from "../../protocol/report.ts";

/** Valid messages of the service, to be changed where a test needs it. */
export const WORKSPACE_STATUS: WorkspaceStatus = {
  name: "work",
  owner: "here",
  state: "running",
  doing: null,
  stalled: null,
  base: "ab".repeat(32),
  memoryBytes: 536_870_912,
  diskBytes: 3_221_225_472,
  ramPlace: "tmpfs",
  pid: 4711,
  console: "/run/user/1000/homeward-1/w/console.sock",
  log: { events: 1019, bytes: 5260, durationMs: 723_000, recording: true },
  generation: { createdAt: "2026-01-02T03:04:05.000Z", holders: ["home"] },
  writtenBytes: 12_300_000,
  recordingPaused: false,
  hostLoopback: false,
  lastMove: { from: "home", to: "laptop", finishedAt: "2026-01-02T03:04:05.000Z", bytes: 223_000, seconds: 27.4 },
  layDown: null,
  migration: null,
  note: null,
};

export const SERVICE_STATUS: ServiceStatus = {
  version: 1,
  host: "laptop",
  pid: 42,
  stateDir: "/home/me/.local/share/homeward",
  accelerator: "tcg",
  listen: null,
  listenTls: null,
  peers: [{ name: "home", address: "/tmp/home.sock" }],
  workspaces: [WORKSPACE_STATUS],
};

export const PAIRED_HOST: PairedHost = {
  name: "home",
  id: "HOMEXXX".concat("-HOMEXXX".repeat(7)),
  address: "home.example:7411",
  rights: { push: true, take: false, workspaces: ["work"] },
  pairedAt: "2026-01-02T03:00:00.000Z",
  lastSeenAt: "2026-01-02T03:04:05.000Z",
};

export const HOSTS: Hosts = {
  host: "laptop",
  id: "LAPTOPX".concat("-LAPTOPX".repeat(7)),
  listen: "192.0.2.1:7411",
  hosts: [PAIRED_HOST],
  holdings: [
    {
      host: "home",
      workspace: "work",
      root: "aa".repeat(32),
      bytes: 612_000_000,
      createdAt: "2026-01-01T03:04:05.000Z",
      seenAt: "2026-01-02T03:04:05.000Z",
    },
  ],
  rooms: [],
  silent: [],
  pending: [{ id: "STRANGE".concat("-STRANGE".repeat(7)), address: "192.0.2.9:41000", seenAt: "2026-01-02T03:04:05.000Z" }],
};

export const MIGRATION_ROW: MigrationRow = {
  id: "5f0c6f5e-7a05-4d0a-9d39-0f2c1b6a7e11",
  workspace: "work",
  role: "source",
  kind: "migration",
  peer: "home",
  mode: "replay",
  state: "done",
  base: "aa".repeat(32),
  root: "bb".repeat(32),
  startedAt: "2026-01-02T03:03:22.000Z",
  updatedAt: "2026-01-02T03:04:05.000Z",
  error: null,
};

export const MIGRATION_SUMMARY: MigrationSummary = { ...MIGRATION_ROW, bytes: 547_176, seconds: 42.5 };

export const MODE_CHOICE: ModeChoice = {
  metered: true,
  why: "replay: about 560 kB and 45 s instead of 2.40 MB and 30 s by overlay",
  replay: { bytes: 561_000, seconds: 45.1 },
  overlay: { bytes: 2_412_000, seconds: 30.2 },
  bits_per_s: 1_010_000,
  stopped: null,
};

export const MIGRATION_REPORT: MigrationReport = {
  id: "5f0c6f5e-7a05-4d0a-9d39-0f2c1b6a7e11",
  workspace: "work",
  from: "laptop",
  to: "home",
  kind: "migration",
  mode: "replay",
  choice: null,
  verified: true,
  base_root: "aa".repeat(32),
  root_source: "bb".repeat(32),
  root_destination: "bb".repeat(32),
  owner: "home",
  recorded_s: 70.5,
  think_s: 25.2,
  events: 1019,
  checkpoints: { total: 66, matched: 65, missed: 1 },
  replay: {
    gave_up: null,
    masked_cells: 3,
    speed: 1,
    path: [
      { kind: "same", from_step: 0, to_step: 40, text: "steps 0 to 40: the screen was as recorded" },
      { kind: "left", from_step: 41, to_step: 42, text: "steps 41 to 42: the screen was not as recorded (first: a window)" },
      { kind: "returned", from_step: 43, to_step: 66, text: "back on the path: steps 43 to 66: the screen was as recorded" },
    ],
  },
  phases: {
    suspend_s: 0.36,
    log_s: 0.03,
    replay_s: 36.1,
    index_s: 3.1,
    residual_s: 2.5,
    verify_s: 0.26,
    resume_s: 0,
    click_to_usable_s: 42.5,
  },
  bytes: { log: 5260, index: 45_100, need: 316, residual: 475_000, device: 15_500, control: 6000, total: 547_176 },
  blocks: { ram_dirty: 9880, disk_dirty: 5403, zero: 10, generation: 525, twin: 5978, shipped: 3685 },
  level: 19,
  hold: true,
  notes: ["one block was fetched again"],
  finished_at: "2026-01-02T03:04:05.000Z",
};

export const EXPLAINED: Explained = {
  id: MIGRATION_REPORT.id,
  workspace: "work",
  by: "descriptors",
  level: 19,
  residualBytes: 224_000,
  kinds: [
    {
      kind: "slab",
      title: "kernel objects",
      what: "Small records of the kernel.",
      cure: "A generation of a machine in use.",
      blocks: 750,
      bytes: 150_000,
      fresh: 250,
      changed: 40_000,
      parts: [{ name: "dentry", blocks: 149 }],
    },
    { kind: "user", title: "memory of programs", what: "Heaps & stacks.", cure: "The switch jemalloc.", blocks: 100, bytes: 75_000, fresh: 0, changed: 20_000, parts: [] },
    { kind: "bitmap", title: "maps of free blocks", what: "Which are in use.", cure: "None.", blocks: 2, bytes: 50, fresh: 2, changed: 0, parts: [] },
  ],
};
