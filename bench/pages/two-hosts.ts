import { join } from "node:path";
import { playSession } from "../../demo/session/player.ts";
import { parseSession } from "../../demo/session/format.ts";
import { buildGuest } from "../../guests/build.ts";
import { RfbClient } from "../../vm/rfb/rfb-client.ts";
import type { BenchContext } from "../bench.ts";
import { promptShown } from "../console/tiny-machine.ts";
import { peerSocket, ServiceProcess } from "../service-process.ts";

export const WORKSPACE = "desk";

/** A line typed into a guest's console, by a quick person. */
export async function typeLine(service: ServiceProcess, text: string, signal: AbortSignal): Promise<void> {
  const { path } = await service.call("console", { workspace: WORKSPACE });
  const viewer = await RfbClient.connect(path);
  try {
    const steps = [{ type: `${text}\n` }, { wait_still: 1 }];
    const session = { name: "line", description: "One line.", guest: "tiny", pace: { key_ms: 60, pause_ms: 0 }, steps };
    await playSession(viewer, parseSession(JSON.stringify(session)), { signal });
  } finally {
    viewer.close();
  }
}

/** Two services; `near` runs the tiny guest, sealed once and used since, and `far` holds what it was sealed as. */
export async function startTwoHosts(context: BenchContext): Promise<{ readonly near: ServiceProcess; readonly far: ServiceProcess }> {
  const { dir, signal, cleanUp, say } = context;
  const service = async (name: string, peer: string): Promise<ServiceProcess> => {
    const started = await ServiceProcess.start({ name, dir, peer: { name: peer, socket: peerSocket(dir, peer) } });
    cleanUp(() => started.end());
    return started;
  };
  const [near, far] = [await service("near", "far"), await service("far", "near")];
  say("  starting the tiny guest");
  const guest = await buildGuest("tiny", { signal });
  await near.call("create", { workspace: WORKSPACE, from: guest.dir, accelerator: "tcg" });
  await near.call("start", { workspace: WORKSPACE });
  const viewer = await RfbClient.connect((await near.call("console", { workspace: WORKSPACE })).path);
  await promptShown(viewer, signal);
  viewer.close();
  await typeLine(near, "clear", signal);
  const exported = join(dir, "export");
  await near.call("seal", { workspace: WORKSPACE, export: exported });
  await far.call("create", { workspace: WORKSPACE, from: exported, owner: "near", verified: true });
  return { near, far };
}
