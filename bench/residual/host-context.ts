import { HomewardError } from "../../common/errors.ts";
import type { Cleanup } from "../../demo/cleanup.ts";
import { Activity, type ServiceContext } from "../../service/context.ts";
import { GenerationCheck } from "../../service/generation-check.ts";
import { openLog } from "../../service/log.ts";
import { LayDowns } from "../../service/push/lay-downs.ts";
import { RunDirs } from "../../service/run-dirs.ts";
import { Store } from "../../service/store/store.ts";
import { Workspaces } from "../../service/workspaces/workspaces.ts";
import { HashPool } from "../../syncer/index.ts";
import { probeAccelerator } from "../../vm/accelerator.ts";
import { tryOwnNetwork } from "../../vm/confined.ts";
import { qemuVersion } from "../../vm/machine-process.ts";

/** The parts of a service that a twin needs, on the state folder of a host that ended. */
export async function openHostContext(stateDir: string, cleanup: Cleanup, stopping: AbortSignal): Promise<ServiceContext> {
  const hostName = "laptop";
  const store = await Store.open(stateDir, hostName);
  cleanup.add(() => store.close());
  const log = await openLog(store.paths.log, hostName);
  const hashPool = HashPool.create();
  cleanup.add(() => hashPool.close());
  const runDirs = await RunDirs.open(store.paths);
  const parts = { hostName, store, runDirs, hashPool, log, stopping };
  const deps = {
    ...parts,
    generationCheck: new GenerationCheck(parts),
    activity: new Activity(),
    pauseKey: false,
    keepLogsDays: null,
    accelerator: () => probeAccelerator(stopping),
    ownNetwork: tryOwnNetwork,
    qemuVersion,
  };
  const peers = {
    list: () => [],
    isClaimed: () => false,
    requireRight: () => undefined,
    shares: () => false,
    noteSeen: () => undefined,
    connect: () => Promise.reject(new HomewardError("INTERNAL", "there are no other hosts here")),
  };
  return {
    ...deps,
    workspaces: await Workspaces.open(deps),
    peers,
    layDowns: new LayDowns(),
    replayInViewer: false,
    patienceMs: 0,
    requireHardware: () => Promise.resolve(),
  };
}
