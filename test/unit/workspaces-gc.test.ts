import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { HomewardError } from "../../common/errors.ts";
import { controlMethods } from "../../protocol/control.ts";
import { RunDirs } from "../../service/run-dirs.ts";
import { Store } from "../../service/store/store.ts";
import type { WorkspaceDeps } from "../../service/workspaces/dependencies.ts";
import { Workspaces } from "../../service/workspaces/workspaces.ts";

const inspection = vi.hoisted(() => ({ begun: Promise.withResolvers<undefined>(), end: Promise.withResolvers<never>() }));
vi.mock("../../vm/source/source-image.ts", () => ({
  inspectSource: () => {
    inspection.begun.resolve(undefined);
    return inspection.end.promise;
  },
}));

let dir: string;
let store: Store;
const stop = new AbortController();
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-gc-"));
  store = await Store.open(join(dir, "state"), "near");
});
afterEach(async () => {
  stop.abort();
  await store.close();
  await rm(dir, { recursive: true, force: true });
});

it("a clean-up leaves alone the folder in which an import looks at its image", async () => {
  const runDirs = await RunDirs.open(store.paths, { runParent: dir, tmpfs: null });
  const log = pino({ level: "silent" });
  const deps = { hostName: "near", store, runDirs, log, keepLogsDays: null, stopping: stop.signal } as unknown as WorkspaceDeps;
  const workspaces = await Workspaces.open(deps);
  const request = controlMethods.import.params.parse({ workspace: "w", image: "/i.raw", dryRun: true });
  const importing = workspaces.import(request);
  importing.catch(() => undefined);
  await inspection.begun.promise;
  const [folder] = await readdir(store.paths.incoming);
  expect(folder).toMatch(/^import-/);
  expect(await workspaces.collectGarbage("remove")).toMatchObject({ removed: [], postponed: true });
  expect(await readdir(store.paths.incoming)).toEqual([folder]);

  inspection.end.reject(new HomewardError("DAMAGED", "no image"));
  await expect(importing).rejects.toMatchObject({ code: "DAMAGED" });
  expect(await workspaces.collectGarbage("remove")).toMatchObject({ postponed: false });
  expect(await readdir(store.paths.incoming)).toEqual([]);
});
