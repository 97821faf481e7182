import { join } from "node:path";
import { HomewardError } from "../common/errors.ts";
import type { Progress } from "../common/progress.ts";
import type { DemoContext } from "./context.ts";
import { Host, hostPaths } from "./host.ts";
import { Link } from "./link/link.ts";
import { WORKSPACE } from "./workspace-name.ts";

export interface TwoHosts {
  readonly laptop: Host;
  readonly home: Host;
  /** The only way from one to the other. */
  readonly link: Link;
}

/**
 * Starts the two hosts and the line between them. Neither sees the other's folder; both see `link`, which holds nothing but
 * the line's two sockets.
 */
async function startHosts({ options, work, cleanup, signal }: DemoContext): Promise<TwoHosts> {
  const linkDir = await work.make("link");
  const toHome = join(linkDir, "to-home.sock");
  const toLaptop = join(linkDir, "to-laptop.sock");
  const common = { work: work.path, shared: ["link"] };
  const hosts = {
    laptop: { ...common, name: "laptop", hidden: ["home"], peers: [{ name: "home", socket: toHome }] },
    home: { ...common, name: "home", hidden: ["laptop"], peers: [{ name: "laptop", socket: toLaptop }] },
  };
  for (const { name } of Object.values(hosts)) await work.make(name);
  const onStarted = (stop: () => Promise<void>): void => {
    cleanup.add(stop);
  };
  const [laptop, home] = await bothSettled(
    Host.start(hosts.laptop, onStarted, signal),
    Host.start(hosts.home, onStarted, signal),
  );
  const link = await Link.start(options.linkText, [
    { direction: 0, listen: toHome, to: hostPaths(work.path, "home").peerSocket },
    { direction: 1, listen: toLaptop, to: hostPaths(work.path, "laptop").peerSocket },
  ]);
  cleanup.add(() => link.stop());
  if (options.keep)
    cleanup.add(async () => {
      // Machines that were killed could not be used from the kept folders; after a failure that is how it was.
      if (!signal.aborted) await Promise.all([laptop.suspendAndStop(), home.suspendAndStop()]);
    });
  return { laptop, home, link };
}

/** Both results, or the first failure after both have settled: nothing goes on behind the back of the clean-up. */
async function bothSettled<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([a, b]);
  return Promise.all([a, b]);
}

/** Gives both hosts a copy of the sealed generation; the workspace is the laptop's, and home can take it over cheaply. */
export async function setUpHosts(sealedDir: string, progress: Progress, context: DemoContext): Promise<TwoHosts> {
  const hosts = await startHosts(context);
  const { laptop, home } = hosts;
  const options = { signal: context.signal, progress };
  const generation = { workspace: WORKSPACE, from: sealedDir };
  try {
    await bothSettled(
      laptop.call("create", generation, options),
      home.call("create", { ...generation, owner: laptop.name }, { signal: context.signal }),
    );
  } catch (cause) {
    if (cause instanceof HomewardError && cause.code === "DAMAGED")
      throw new HomewardError("DAMAGED", `the sealed guest in the cache is damaged: ${cause.message}`, {
        cause,
        hint: `Remove ${sealedDir} and run the demo again.`,
      });
    throw cause;
  }
  return hosts;
}
