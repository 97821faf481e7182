import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { noProgress } from "../../common/progress.ts";
import { HomewardError } from "../../common/errors.ts";
import type { MachineDefinition } from "../../protocol/machine.ts";
import type { Message } from "../../protocol/wire/messages.ts";
import type { ServiceContext } from "../../service/context.ts";
import { admit, obstacles, type Admitted } from "../../service/migration/admission.ts";
import { Store } from "../../service/store/store.ts";
import { generationFiles, machine, rootOf, workspace } from "./store-fixtures.ts";

const ROOT = rootOf("a");

describe("an offer", () => {
  let dir: string;
  let store: Store;
  let host: { accelerator: "kvm" | "tcg"; qemuVersion: string; owner: string; damaged: boolean; network: boolean };
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "hw-admission-"));
    store = await Store.open(join(dir, "state"), "far");
    await store.generations.install(await generationFiles(join(dir, "state", "incoming", "x"), ROOT));
    host = { accelerator: "tcg", qemuVersion: "7.2", owner: "near", damaged: false, network: true };
  });
  afterEach(async () => {
    await store.close();
    await rm(dir, { recursive: true });
  });

  function context(): ServiceContext {
    return {
      hostName: "far",
      store,
      peers: { requireRight: () => undefined },
      accelerator: () => Promise.resolve({ accelerator: host.accelerator, reason: "" }),
      requireHardware: () => Promise.resolve(),
      ownNetwork: () => (host.network ? Promise.resolve() : Promise.reject(new HomewardError("ENVIRONMENT", "no network"))),
      qemuVersion: () => Promise.resolve(host.qemuVersion),
      workspaces: { list: () => [{ name: "desk", owner: host.owner }] },
      generationCheck: {
        requireIntact: (_: unknown, { hint }: { hint: string }) =>
          host.damaged ? Promise.reject(new HomewardError("DAMAGED", "bad", { hint })) : Promise.resolve(),
      },
    } as unknown as ServiceContext;
  }

  function decide(change: Partial<Message<"offer">> = {}): Promise<Admitted> {
    const ctx = context();
    const offer: Message<"offer"> = {
      id: randomUUID(),
      kind: "migration",
      workspace: "desk",
      mode: "overlay",
      base: ROOT,
      machine,
      overlay_bytes: 0,
      device_bytes: 0,
      hold: true,
      ...change,
    };
    return admit(ctx, offer, "near", { signal: new AbortController().signal, progress: noProgress });
  }

  it("of what this host holds and can run is admitted", async () => {
    expect((await decide()).base.root).toBe(ROOT);
  });

  // QEMU itself would load such a state under tcg, run it, and go wrong later.
  it.each<[Partial<MachineDefinition>, RegExp]>([
    [{ cpuModel: "qemu64" }, /cpuModel is "qemu64" there and "Nehalem" here/],
    [{ machineType: "pc-i440fx-7.1" }, /machineType is "pc-i440fx-7.1" there and "pc-i440fx-7.2" here/],
    [{ cpus: 2 }, /cpus is 2 there and 1 here/],
    [{ mac: "52:54:00:00:00:01", memoryBytes: 128 * 1024 * 1024 }, /memoryBytes is 134217728 there.*, mac is/],
  ])("of another machine than the generation's, %j, is refused with both values", async (change, message) => {
    await expect(decide({ machine: { ...machine, ...change } })).rejects.toMatchObject({
      code: "INCOMPATIBLE",
      message: expect.stringMatching(message) as string,
      hint: expect.stringMatching(/far/) as string,
    });
  });

  it("made with another QEMU, or another accelerator, is refused with both values", async () => {
    host.qemuVersion = "5.2";
    await expect(decide()).rejects.toMatchObject({
      code: "INCOMPATIBLE",
      message: expect.stringMatching(/desk was made with QEMU 7\.2; this computer has 5\.2/) as string,
    });
    host.qemuVersion = "7.2";
    await expect(decide({ machine: { ...machine, accelerator: "kvm" } })).rejects.toMatchObject({
      code: "INCOMPATIBLE",
      data: { needed: "kvm", found: "tcg" },
    });
    // Where KVM works, a state made without it is still run without it, by its definition; another definition is not.
    host.accelerator = "kvm";
    await decide();
    await expect(decide({ machine: { ...machine, accelerator: "kvm" } })).rejects.toMatchObject({
      code: "INCOMPATIBLE",
      message: expect.stringMatching(/accelerator is "kvm" there and "tcg" here/) as string,
    });
  });

  it("to a computer that cannot keep its loopback from the guest is refused, unless the workspace there allows it", async () => {
    host.network = false;
    await expect(decide()).rejects.toMatchObject({ code: "ENVIRONMENT" });
    store.workspaces.insert(workspace("desk", [], { owner: "near", state: "away", hostLoopback: true }));
    await decide();
  });

  it("that grew from a generation that is not here, or is damaged, is refused with what to do", async () => {
    await expect(decide({ base: rootOf("b") })).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringMatching(/far has no copy of the generation that desk grew from/) as string,
      hint: expect.stringMatching(/homeward push desk far/) as string,
      data: { root: rootOf("b") },
    });
    // A workspace that moved, and was then sealed anew where it came from.
    store.workspaces.insert(workspace("desk", [], { owner: "near", state: "away", base: ROOT }));
    await expect(decide({ base: rootOf("b") })).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: "far has only an older generation of desk, which was sealed anew on near",
      hint: "On near: homeward push desk far",
    });
    host.damaged = true;
    await expect(decide()).rejects.toMatchObject({ code: "DAMAGED", hint: expect.stringMatching(/Delete desk on far/) as string });
  });

  it("that would be refused for several reasons is told all of them at once, when it is only asked", async () => {
    host.qemuVersion = "5.2";
    host.owner = "third";
    const asked = {
      purpose: "migration" as const,
      workspace: "desk",
      mode: "overlay" as const,
      base: rootOf("b"),
      machine: { ...machine, accelerator: "kvm" as const, memoryBytes: 1024 * 2 ** 30 },
      overlay_bytes: 0,
      device_bytes: 0,
      hold: true,
    };
    const codes = async (purpose: "migration" | "push"): Promise<string[]> => {
      const found: string[] = [];
      for await (const { code } of obstacles(context(), { ...asked, purpose, overlay_bytes: 2 ** 50 }, "near")) found.push(code);
      return found;
    };
    expect(await codes("migration")).toEqual(["INCOMPATIBLE", "INCOMPATIBLE", "CONFLICT", "NOT_FOUND", "NO_ROOM"]);
    expect(await codes("push")).toEqual(["INCOMPATIBLE", "INCOMPATIBLE", "CONFLICT", "NO_ROOM", "NO_ROOM"]);
  });

  it("from a host that does not own it here is refused", async () => {
    host.owner = "here";
    await expect(decide()).rejects.toMatchObject({ code: "CONFLICT", data: { owner: "far" } });
    host.owner = "third";
    await expect(decide()).rejects.toMatchObject({ code: "CONFLICT", data: { owner: "third" } });
  });
});
