import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { duplexPair, type Duplex } from "node:stream";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { HomewardError } from "../../common/errors.ts";
import type { MachineDefinition } from "../../protocol/machine.ts";
import { Activity, type ServiceContext } from "../../service/context.ts";
import { Migrations } from "../../service/migration/migrations.ts";
import { PeerLink } from "../../service/migration/peer-link.ts";
import { isFinal, type DestinationState, type SourceState } from "../../service/migration/states.ts";
import { Store } from "../../service/store/store.ts";
import { destinationMayRun, pairName, reachablePairs, sourceMayRun } from "./migration-pairs.ts";
import { machine } from "./store-fixtures.ts";

const ROOT = "b".repeat(64);
const BASE = "a".repeat(64);
const WORKSPACE = "desk";

const MACHINE: MachineDefinition = { ...machine, memoryBytes: 16 * 1024 * 1024 };

/** A host with a real database and a workspace that only notes what is done with it. */
class FakeHost {
  readonly name: string;
  readonly store: Store;
  readonly calls: string[] = [];
  readonly #dir: string;
  #stopping = new AbortController();
  /** Null while its service does not run. */
  migrations: Migrations | null = null;

  private constructor(name: string, dir: string, store: Store) {
    this.name = name;
    this.#dir = dir;
    this.store = store;
  }

  static async create(name: string): Promise<FakeHost> {
    const dir = await mkdtemp(join(tmpdir(), "hw-recovery-"));
    return new FakeHost(name, dir, await Store.open(dir, name));
  }

  /** The workspace's durable record. */
  addWorkspace(owner: string | null, state: "running" | "suspended" | "paused-for-migration" | "away"): void {
    this.store.workspaces.insert({
      name: WORKSPACE,
      owner,
      base: null,
      machine: MACHINE,
      state,
      resumeFrom: "saved",
      layers: [],
    });
  }

  get owns(): boolean {
    return this.store.workspaces.require(WORKSPACE).owner === null;
  }

  get runs(): boolean {
    return this.store.workspaces.require(WORKSPACE).state === "running";
  }

  #workspace(): object {
    const change = (call: string, to: Parameters<Store["workspaces"]["update"]>[1]): Promise<void> => {
      this.calls.push(call);
      this.store.workspaces.update(WORKSPACE, to);
      return Promise.resolve();
    };
    return {
      resumeAfterCancel: () => change("resume", { state: "running" }),
      becomeGeneration: (_parts: unknown, owner: string) => change("become", { owner, state: "away" }),
      takeGeneration: (_root: string, _paused: boolean, together: () => void) => {
        together();
        return change("take", { owner: null, state: "suspended" });
      },
      start: () => change("start", { state: "running" }),
    };
  }

  async start(other: FakeHost): Promise<void> {
    this.#stopping = new AbortController();
    const ctx = {
      hostName: this.name,
      store: this.store,
      workspaces: { get: () => this.#workspace() },
      runDirs: { paths: (id: string) => ({ dir: join(this.#dir, id) }), remove: () => Promise.resolve() },
      peers: {
        list: () => [{ name: other.name, address: "" }],
        connect: () => connectTo(other),
        isClaimed: (name: string) => name === other.name,
        requireRight: () => undefined,
        noteSeen: () => undefined,
      },
      activity: new Activity(),
      patienceMs: 60_000,
      generationCheck: { vouch: () => Promise.resolve() },
      log: pino({ level: "silent" }),
      stopping: this.#stopping.signal,
    } as unknown as ServiceContext;
    this.migrations = new Migrations(ctx);
    await this.migrations.recover();
  }

  async end(): Promise<void> {
    this.#stopping.abort();
    await this.migrations?.idle();
    await this.store.close();
    await rm(this.#dir, { recursive: true });
  }
}

function connectTo(host: FakeHost): Promise<Duplex> {
  if (host.migrations === null) return Promise.reject(new HomewardError("PEER", `${host.name} cannot be reached`));
  const [mine, theirs] = duplexPair();
  mine.on("error", () => undefined);
  host.migrations.acceptPeer(theirs, null);
  return Promise.resolve(mine);
}

let near: FakeHost;
let far: FakeHost;
beforeEach(async () => {
  near = await FakeHost.create("near");
  far = await FakeHost.create("far");
});
afterEach(async () => {
  await Promise.all([near.end(), far.end()]);
});

/** What both hosts have on disk when a migration is in these states. */
function writeState(source: SourceState | null, destination: DestinationState | null): string {
  const id = randomUUID();
  const common = { id, workspace: WORKSPACE, kind: "migration", mode: "overlay", base: BASE } as const;
  const gaveUp = source === "released" || source === "done";
  near.addWorkspace(source === "done" ? "far" : null, source === "done" ? "away" : "paused-for-migration");
  if (source !== null) {
    const paths = { ramTreePath: "a", diskTreePath: "b", ramHashesPath: "c", diskHashesPath: "d" };
    const manifest = {
      format: 1,
      root: ROOT,
      machine: MACHINE,
      ramRoot: ROOT,
      diskRoot: ROOT,
      deviceSha256: ROOT,
      deviceBytes: 5,
      parent: BASE,
      createdAt: new Date().toISOString(),
    };
    const data = gaveUp ? { root: ROOT, data: { parts: { manifest, ...paths } } } : {};
    near.store.migrations.insert({ ...common, role: "source", peer: "far", state: source, ...data });
  }
  const took = destination === "taken" || destination === "done";
  far.addWorkspace(took ? null : "near", destination === "done" ? "running" : took ? "suspended" : "away");
  if (destination !== null) {
    const data =
      took || destination === "prepared" ? { root: ROOT, data: { hold: false, newGeneration: true } } : {};
    far.store.migrations.insert({ ...common, role: "destination", peer: "near", state: destination, ...data });
  }
  return id;
}

function states(id: string): [string | undefined, string | undefined] {
  return [near.store.migrations.get(id)?.state, far.store.migrations.get(id)?.state];
}

describe("after both services were killed", () => {
  for (const pair of reachablePairs())
    it(`a migration that was ${pairName(pair)} ends with one owner`, async () => {
      const id = writeState(pair.source, pair.destination);
      await Promise.all([near.start(far), far.start(near)]);
      await expect
        .poll(() => states(id).every((state) => state === "done" || state === "cancelled" || state === "dropped"), {
          timeout: 8000,
        })
        .toBe(true);
      expect([near.owns, far.owns].filter(Boolean)).toHaveLength(1);
      expect(far.owns).toBe(!sourceMayRun(pair.source));
      await expect.poll(() => (far.owns ? far : near).runs).toBe(true);
      if (near.owns) expect(near.calls).not.toContain("become");
      else expect(near.calls).not.toContain("resume");
    });
});

it("an arrival that a full disk keeps from being recorded is, as soon as there is room", async () => {
  const id = writeState("released", "prepared");
  const update = far.store.migrations.update.bind(far.store.migrations);
  let refused = 0;
  vi.spyOn(far.store.migrations, "update").mockImplementation((which, change) => {
    if (change.state === "done" && refused++ < 2) throw new HomewardError("NO_ROOM", "database or disk is full");
    return update(which, change);
  });
  await Promise.all([near.start(far), far.start(near)]);
  await expect.poll(() => states(id), { timeout: 15_000 }).toEqual(["done", "done"]);
  expect(refused).toBe(3);
  expect(far.calls).toEqual(["take", "start"]);
});

describe("while the other host is gone", () => {
  it("a released workspace runs nowhere until the destination is back", async () => {
    const id = writeState("released", "prepared");
    await near.start(far);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(near.calls).toEqual([]);
    expect(states(id)).toEqual(["released", "prepared"]);
    await far.start(near);
    await expect.poll(() => states(id), { timeout: 8000 }).toEqual(["done", "done"]);
    expect(far.calls).toEqual(["take", "start"]);
  });

  it("a prepared destination takes nothing, and drops it when the source says that it kept it", async () => {
    const id = writeState("shipping", "prepared");
    await far.start(near);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(far.calls).toEqual([]);
    await near.start(far);
    expect(near.calls).toEqual(["resume"]);
    await expect.poll(() => states(id), { timeout: 8000 }).toEqual(["cancelled", "dropped"]);
    expect(far.calls).toEqual([]);
  });

  it("a source that never released goes on at once", async () => {
    for (const state of ["offered", "suspended", "indexed", "shipping", "prepared"] as const)
      expect(isFinal(state)).toBe(false);
    const id = writeState("prepared", null);
    await near.start(far);
    expect(near.calls).toEqual(["resume"]);
    expect(states(id)[0]).toBe("cancelled");
  });

  it("a workspace that stands still for a migration nobody remembers runs on", async () => {
    writeState(null, null);
    await near.start(far);
    expect(near.calls).toEqual(["resume"]);
  });
});

describe("a peer", () => {
  it("that this host was not told of is turned away", async () => {
    writeState(null, null);
    await far.start(near);
    const stranger = await PeerLink.open(await connectTo(far), { host: "stranger" });
    await expect(stranger.receive()).rejects.toMatchObject({ code: "PEER", message: expect.stringMatching(/does not know a host stranger/) as string });
  });

  it("cannot release a migration that it is not the source of", async () => {
    const id = writeState("shipping", null);
    await near.start(far);
    const link = await PeerLink.open(await connectTo(near), { host: "far" });
    await link.send("release", { id });
    await expect(link.receive()).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(near.calls).toEqual(["resume"]);
  });

  it("that sends garbage is dropped and nothing happens", async () => {
    writeState(null, null);
    await far.start(near);
    const stream = await connectTo(far);
    stream.resume();
    const ended = new Promise((resolve) => stream.once("end", resolve));
    stream.end("GET / HTTP/1.1\r\n\r\n");
    await ended;
    expect(far.calls).toEqual([]);
  });

  it("learns nothing about a migration that is not its own", async () => {
    const id = randomUUID();
    writeState(null, null);
    await near.start(far);
    const link = await PeerLink.open(await connectTo(near), { host: "far" });
    await link.send("query", { id });
    expect(await link.expect("verdict")).toEqual({ id, verdict: "unknown" });
    await link.close();
  });
});

describe("the model of the two state machines", () => {
  it("has a destination that may run only after a release", () => {
    for (const { source, destination } of reachablePairs())
      if (destinationMayRun(destination)) expect(sourceMayRun(source)).toBe(false);
  });
});
