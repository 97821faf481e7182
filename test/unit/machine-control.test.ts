import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { HomewardError } from "../../common/errors.ts";
import { Store } from "../../service/store/store.ts";
import type { WorkspaceDeps } from "../../service/workspaces/dependencies.ts";
import { take } from "../../service/workspaces/hand-over.ts";
import { MachineControl } from "../../service/workspaces/machine-control.ts";
import { installSaved } from "../../service/workspaces/saved-machine.ts";
import { generationFiles, rootOf, workspace } from "./store-fixtures.ts";

const [A, B] = [rootOf("a"), rootOf("b")];

let dir: string;
let store: Store;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-control-"));
  store = await Store.open(join(dir, "state"), "near");
});
afterEach(async () => {
  await store.close();
  await rm(dir, { recursive: true, force: true });
});

function controlOf(name: string): { control: MachineControl; deps: WorkspaceDeps } {
  // No machine runs here, so nothing else is asked for.
  const deps = { hostName: "near", store } as unknown as WorkspaceDeps;
  const told = { onGone: () => undefined, onPauseKey: () => undefined, onNoRoom: () => undefined };
  return { control: new MachineControl(deps, store.workspaces.require(name), told), deps };
}

/** The next change is made, and then its transaction comes to nothing, as with a disk that is full at its end. */
function failAfterUpdate(control: MachineControl): void {
  const update = control.update.bind(control);
  vi.spyOn(control, "update").mockImplementationOnce((change) => {
    update(change);
    throw new HomewardError("NO_ROOM", "database or disk is full");
  });
}

describe("what a transaction did not make is not believed", () => {
  it("of a workspace that is taken: it is the other host's still, and is taken the next time", async () => {
    const { layerIds } = await store.generations.install(await generationFiles(join(dir, "files"), A));
    store.workspaces.insert(workspace("desk", layerIds, { owner: "far", base: A, state: "away", resumeFrom: "generation" }));
    await store.generations.install(await generationFiles(join(dir, "files"), B, layerIds, A));
    const { control, deps } = controlOf("desk");
    failAfterUpdate(control);
    const together = vi.fn();
    await expect(take(deps, control, B, false, together)).rejects.toMatchObject({ code: "NO_ROOM" });
    expect(control.row).toMatchObject({ owner: "far", base: A, state: "away" });
    expect(control.row).toEqual(store.workspaces.require("desk"));

    await take(deps, control, B, false, together);
    expect(together).toHaveBeenCalledTimes(2);
    expect(control.row).toMatchObject({ owner: null, base: B, state: "suspended" });
    expect(control.row).toEqual(store.workspaces.require("desk"));
  });

  it("of a saved state that becomes a generation: it is the workspace's own still", async () => {
    const { layerIds } = await store.generations.install(await generationFiles(join(dir, "files"), A));
    store.workspaces.insert(workspace("desk", layerIds, { base: A, state: "suspended", resumeFrom: "saved" }));
    const { control } = controlOf("desk");
    await mkdir(control.paths.saved.dir, { recursive: true });
    for (const path of [control.paths.saved.ram, control.paths.saved.device, control.paths.overlay]) await writeFile(path, "state");
    const parts = await generationFiles(join(dir, "files"), B, layerIds, A);
    failAfterUpdate(control);
    await expect(installSaved(store, control, parts, { owner: "far", state: "away" })).rejects.toMatchObject({ code: "NO_ROOM" });
    expect(control.row).toMatchObject({ owner: null, base: A, state: "suspended", resumeFrom: "saved" });
    expect(control.row).toEqual(store.workspaces.require("desk"));
    expect(store.generations.get(B)).toBeNull();
  });
});
