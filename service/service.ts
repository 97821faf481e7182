import type { Logger } from "pino";
import { delay } from "../common/abort.ts";
import { HomewardError } from "../common/errors.ts";
import { HashPool } from "../syncer/hash-pool.ts";
import type { PeerAddress } from "../protocol/peer-address.ts";
import { probeAccelerator, type AcceleratorProbe } from "../vm/accelerator.ts";
import { requireCpuModel } from "../vm/cpu-model.ts";
import { tryOwnNetwork } from "../vm/confined.ts";
import { qemuVersion } from "../vm/machine-process.ts";
import { Activity, type ServiceContext } from "./context.ts";
import { ControlServer } from "./control/control-server.ts";
import { controlHandlers } from "./control/handlers.ts";
import { GenerationCheck } from "./generation-check.ts";
import { openLog } from "./log.ts";
import { Migrations } from "./migration/migrations.ts";
import { openIdentity, type Identity } from "./peers/identity.ts";
import { PairedHosts } from "./peers/paired-hosts.ts";
import { PeerDirectory } from "./peers/peer-directory.ts";
import { PeerListener } from "./peers/peer-listener.ts";
import { TlsListener, type TlsListenerOptions } from "./peers/tls-listener.ts";
import { LayDowns } from "./push/lay-downs.ts";
import { RunDirs } from "./run-dirs.ts";
import { Store } from "./store/store.ts";
import type { WorkspaceDeps } from "./workspaces/dependencies.ts";
import { openDoor } from "./web/page-clients.ts";
import type { WebDoor } from "./web/web-door.ts";
import { Workspaces } from "./workspaces/workspaces.ts";

export interface ServiceOptions {
  /** Absolute. */
  readonly stateDir: string;
  readonly hostName: string;
  /** Unix socket on which other hosts reach this one; null for none. */
  readonly listen: string | null;
  /** Where paired hosts reach this one over TLS; null for nowhere. */
  readonly listenTls: PeerAddress | null;
  /** A file in place of the user's settings of ssh, for paired hosts that are reached through it; null for none. */
  readonly sshConfig: string | null;
  /** Name of each other host, and the unix socket that leads to it. */
  readonly peers: ReadonlyMap<string, string>;
  /** See WorkspaceDeps. */
  readonly pauseKey: boolean;
  readonly keepLogsDays: number | null;
  /** See ServiceContext. */
  readonly replayInViewer: boolean;
  /** How long a migration waits for a lost connection to come back, in milliseconds. */
  readonly patienceMs: number;
}

/** Migrations that take longer to come to a halt are settled by the next service, as after a crash. */
const MIGRATIONS_END_MS = 20_000;

/** Kinds of machines that are remembered: other hosts may ask about any. */
const MAX_HARDWARE = 50;

/** How late an input log may be forgotten. */
const TIDY_EVERY_MS = 60 * 60 * 1000;

export type MachinesAtEnd = "keep" | "suspend" | "kill";

/** The answer of a slow question, asked once; asked again if it failed. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | null = null;
  return () => {
    const asked = answer ?? ask();
    answer = asked;
    asked.catch(() => {
      answer = null;
    });
    return asked;
  };
}

/** What only the service itself and its control API need. */
interface OwnParts {
  readonly deps: WorkspaceDeps;
  readonly paired: PairedHosts;
  readonly identity: () => Promise<Identity>;
}

/** One host's service: everything put together. */
export class Service {
  readonly #log: Logger;
  readonly #store: Store;
  readonly #hashPool: HashPool;
  readonly #generationCheck: GenerationCheck;
  readonly #workspaces: Workspaces;
  readonly #runDirs: RunDirs;
  readonly #stopping: AbortController;
  readonly #migrating = new Set<Promise<unknown>>();
  #migrations: Migrations | null = null;
  #control: ControlServer | null = null;
  #door: WebDoor | null = null;
  #listener: PeerListener | null = null;
  #tlsListener: TlsListener | null = null;
  #sshListener: TlsListener | null = null;
  #ended: Promise<void> | null = null;
  #onEnded: () => void = () => undefined;
  /** Resolves when the service has been shut down through its control API or by `stop`. */
  readonly ended: Promise<void>;

  private constructor(deps: WorkspaceDeps, workspaces: Workspaces, stopping: AbortController) {
    this.#log = deps.log;
    this.#store = deps.store;
    this.#hashPool = deps.hashPool;
    this.#generationCheck = deps.generationCheck;
    this.#runDirs = deps.runDirs;
    this.#workspaces = workspaces;
    this.#stopping = stopping;
    this.ended = new Promise((resolve) => {
      this.#onEnded = resolve;
    });
  }

  /**
   * Opens the state folder, adopts the machines that run, settles what was cut off, and listens.
   * @throws CONFLICT if another service has the state folder, ENVIRONMENT
   */
  static async start(options: ServiceOptions): Promise<Service> {
    const { stateDir, hostName, peers, pauseKey, keepLogsDays, sshConfig } = options;
    const store = await Store.open(stateDir, hostName);
    const log = await openLog(store.paths.log, hostName);
    const stopping = new AbortController();
    const hashPool = HashPool.create();
    try {
      const runDirs = await RunDirs.open(store.paths);
      const parts = { hostName, store, runDirs, hashPool, log, stopping: stopping.signal };
      const deps: WorkspaceDeps = {
        ...parts,
        generationCheck: new GenerationCheck(parts),
        activity: new Activity(),
        pauseKey,
        keepLogsDays,
        accelerator: once(() => probeAccelerator(stopping.signal)),
        ownNetwork: once(tryOwnNetwork),
        qemuVersion: once(majorMinor),
      };
      const requireHardware = hardwareCheck(stopping.signal);
      const workspaces = await Workspaces.open(deps);
      const service = new Service(deps, workspaces, stopping);
      const identity = once(() => openIdentity(store.paths.identity, stopping.signal));
      const claimed = new Set(peers.keys());
      const paired = new PairedHosts({ table: store.pairings, hostName, claimed, identity, sshConfig });
      const directory = new PeerDirectory(hostName, store, paired, peers);
      const { patienceMs, replayInViewer } = options;
      const layDowns = new LayDowns();
      await service.#open({ ...deps, workspaces, peers: directory, layDowns, requireHardware, patienceMs, replayInViewer }, { deps, paired, identity }, options);
      log.info({ stateDir, peers: [...peers.keys()] }, "ready");
      return service;
    } catch (error) {
      log.error({ err: error }, "cannot start");
      stopping.abort();
      await hashPool.close();
      await store.close();
      throw error;
    }
  }

  async #open(ctx: ServiceContext, own: OwnParts, { listen, listenTls }: ServiceOptions): Promise<void> {
    const migrations = new Migrations(ctx);
    this.#migrations = migrations;
    await migrations.recover();
    ctx.workspaces.tidy();
    ctx.workspaces.checkBases();
    if (own.deps.keepLogsDays !== null) this.#tidyHourly(ctx);
    if (listen !== null)
      this.#listener = await PeerListener.listen(listen, (stream) => {
        migrations.acceptPeer(stream, null);
      });
    if (listenTls !== null) this.#tlsListener = await this.#listenTls(listenTls, own, migrations);
    this.#sshListener = await this.#listenSsh(own, migrations);
    let probe: AcceleratorProbe | null = null;
    // Not waited for: it takes seconds, and only what is made or started needs it.
    void ctx.accelerator().then(
      (found) => {
        probe = found;
        this.#log.info(found, "accelerator");
      },
      (error: unknown) => {
        this.#log.warn({ err: error }, "accelerator");
      },
    );
    const handlers = controlHandlers({
      ctx,
      ...own,
      migrations,
      facts: () => ({ listen, listenTls: this.#tlsListener?.address ?? null, accelerator: probe?.accelerator ?? null }),
      migrating: (job) => {
        this.#migrating.add(job);
        void job.catch(() => undefined).finally(() => this.#migrating.delete(job));
        return job;
      },
      openPages: async (port) => {
        if (this.#door === null) throw new HomewardError("INTERNAL", "the door for browsers is not there yet");
        return this.#door.open(port);
      },
      shutdown: (machines) => this.#beginStop(machines),
    });
    this.#door = await openDoor(ctx, handlers);
    this.#control = await ControlServer.listen(ctx.store.paths.control, handlers, this.#log);
  }

  /** What "homeward serve --stdio" leads to. Without a key of this host nobody could be paired with it. */
  async #listenSsh(own: OwnParts, migrations: Migrations): Promise<TlsListener | null> {
    try {
      return await this.#listenTls({ path: this.#store.paths.peers }, own, migrations);
    } catch (error) {
      this.#log.warn({ err: error }, "no host can reach this one through ssh");
      return null;
    }
  }

  async #listenTls(
    address: TlsListenerOptions["address"],
    { paired, identity }: OwnParts,
    migrations: Migrations,
  ): Promise<TlsListener> {
    return TlsListener.listen({
      address,
      identity: await identity(),
      admit: (id, socket, from) => {
        const name = paired.recognise(id, socket, from);
        if (name === null) this.#log.warn({ id, from }, "a host that is not paired, or has too many connections");
        else migrations.acceptPeer(socket, name);
        return name !== null;
      },
    });
  }

  /** Logs also come of age in a service that has nothing else to do. */
  #tidyHourly({ workspaces, stopping }: ServiceContext): void {
    const timer = setInterval(() => {
      workspaces.tidy();
    }, TIDY_EVERY_MS).unref();
    stopping.addEventListener("abort", () => {
      clearInterval(timer);
    });
  }

  get controlSocket(): string {
    return this.#store.paths.control;
  }

  /** Sees to the machines; the rest follows once the caller has its answer. */
  async #beginStop(machines: MachinesAtEnd): Promise<void> {
    if (this.#ended !== null) throw new HomewardError("CONFLICT", "the service is ending already");
    const machinesDone = this.#stopMachines(machines);
    this.#ended = machinesDone.then(() => this.#close());
    await machinesDone;
  }

  async #stopMachines(machines: MachinesAtEnd): Promise<void> {
    this.#log.info({ machines }, "ending");
    this.#stopping.abort(new HomewardError("CANCELLED", "the service ends"));
    await Promise.all([this.#listener?.close(), this.#tlsListener?.close(), this.#sshListener?.close()]);
    // A migration that is cut off before its release lets the machine run on; after it, it ends as it would have.
    await Promise.race([Promise.allSettled([...this.#migrating, this.#migrations?.idle()]), delay(MIGRATIONS_END_MS)]);
    await this.#workspaces.stop(machines);
  }

  async #close(): Promise<void> {
    // The answer to a shutdown call goes out first.
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([this.#control?.close(), this.#door?.close()]);
    await this.#generationCheck.idle();
    await this.#hashPool.close();
    await this.#runDirs.close();
    await this.#store.close();
    this.#log.info("ended");
    this.#log.flush();
    this.#onEnded();
  }

  /** Ends the service. Machines run on and are adopted by the next one, unless told otherwise. */
  async stop(machines: MachinesAtEnd): Promise<void> {
    if (this.#ended === null) await this.#beginStop(machines);
    await this.#ended;
  }
}

/** Asks QEMU once for each kind of machine; again if it failed. */
function hardwareCheck(signal: AbortSignal): ServiceContext["requireHardware"] {
  const found = new Map<string, () => Promise<void>>();
  return ({ machineType, cpuModel, accelerator }) => {
    const key = [machineType, cpuModel, accelerator].join(" ");
    const check = found.get(key) ?? once(() => requireCpuModel(cpuModel, accelerator, { machineType, signal }));
    if (found.size < MAX_HARDWARE) found.set(key, check);
    return check();
  };
}

async function majorMinor(): Promise<string> {
  const [major, minor] = (await qemuVersion()).split(".");
  return `${major ?? ""}.${minor ?? ""}`;
}
