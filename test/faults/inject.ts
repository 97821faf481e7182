import { setTimeout as later } from "node:timers";
import { delay } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import { hello } from "../e2e/harm.ts";
import { WORKSPACE } from "../e2e/migration-hosts.ts";
import { secondSession } from "./line.ts";
import type { FaultName, Moment } from "./plan.ts";
import { kill, type RigHost } from "./rig.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

export interface Scene {
  readonly moment: Moment;
  readonly source: RigHost;
  readonly destination: RigHost;
  readonly random: () => number;
}

/** What has to be done once the migration has come to its end, one way or the other. */
export type Afterwards = () => Promise<string[]>;

/** Note of a fault that did not strike. */
export const NOTHING_KILLED = "there was nothing to kill";

/** Faults that need the stopped service to go on first: what they kill is only started then. */
export const WHILE_GOING_ON: readonly FaultName[] = ["kill twin", "kill new QEMU"];

const nothing: Afterwards = () => Promise.resolve([]);

function pick(random: () => number, from: number, to: number): number {
  return Math.round(from + random() * (to - from));
}

/** Small numbers as often as large ones. */
function magnitude(random: () => number, from: number, to: number): number {
  return Math.round(from * (to / from) ** random());
}

/** Kills services; whoever was killed is started again afterwards, after a while of up to a second. */
async function killServices(hosts: readonly RigHost[], random: () => number): Promise<Afterwards> {
  const waits = hosts.map(() => (random() < 0.5 ? 0 : pick(random, 0, 1000)));
  await Promise.all(hosts.map(({ service }) => service.kill()));
  void Promise.all(
    hosts.map(async (host, index) => {
      await delay(waits[index] ?? 0);
      await host.start();
    }),
  ).catch(() => undefined);
  return async () => {
    for (let tries = 0; tries < 600 && !hosts.every(({ isUp }) => isUp); tries++) await delay(50);
    return [];
  };
}

/** They may still be starting: they are waited for. */
async function killQemus(find: () => Promise<readonly number[]>): Promise<Afterwards> {
  for (let tries = 0; tries < 400; tries++) {
    const pids = await find();
    for (const pid of pids) kill(pid);
    if (pids.length > 0) return nothing;
    await delay(20);
  }
  return () => Promise.resolve([NOTHING_KILLED]);
}

async function fillDisk(host: RigHost, random: () => number): Promise<Afterwards> {
  await host.limitDisk(random() < 0.3 ? 0 : magnitude(random, 4096, 60_000_000));
  return async () => {
    await host.limitDisk(null);
    return host.isUp ? [] : await restart(host);
  };
}

async function restart(host: RigHost): Promise<string[]> {
  await host.start();
  return [`${host.name} had ended`];
}

async function setClockBack(host: RigHost, random: () => number): Promise<Afterwards> {
  await host.setClock(-magnitude(random, 1000, 1000 * DAY_MS));
  return async () => {
    await host.setClock(0);
    return [];
  };
}

async function losePower(host: RigHost, random: () => number): Promise<Afterwards> {
  const lost = await host.losePower(random);
  await host.start();
  return () => Promise.resolve(lost);
}

async function makeLate({ destination, source, random }: Scene): Promise<Afterwards> {
  const letGo = await destination.line.holdBack(pick(random, 0, 200));
  return async () => {
    // The next attempt is under way when the rest of this one arrives.
    const stop = new AbortController();
    const next = source.service
      .call("migrate", { workspace: WORKSPACE, peer: destination.name, mode: "overlay", hold: true }, { signal: stop.signal })
      .then(
        () => "the next attempt arrived",
        (error: unknown) => `the next attempt: ${error instanceof HomewardError ? error.code : String(error)}`,
      );
    await delay(pick(random, 0, 400));
    letGo();
    const timer = later(() => {
      stop.abort();
    }, 30_000);
    const said = await next;
    clearTimeout(timer);
    return [said];
  };
}

function openTwice({ destination, source, random }: Scene): Afterwards {
  const { offer } = destination.line;
  const target = `${destination.disk}/${destination.name}.sock`;
  if (offer === null) return nothing;
  if (random() < 0.5) {
    const again = secondSession(target, hello({ host: source.name }), offer, pick(random, 50, 1500));
    return async () => {
      await again;
      return [];
    };
  }
  const again = source.service.call("migrate", { workspace: WORKSPACE, peer: destination.name, mode: "overlay", hold: true }).then(
    () => "a second one arrived",
    (error: unknown) => `the second one: ${error instanceof HomewardError ? error.code : String(error)}`,
  );
  return async () => [await again];
}

/** Strikes. The service that reached the moment may be stopped; it goes on after this. */
export async function inject(fault: FaultName, scene: Scene): Promise<Afterwards> {
  const { source, destination, random } = scene;
  switch (fault) {
    case "kill source":
      return killServices([source], random);
    case "kill destination":
      return killServices([destination], random);
    case "kill both":
      return killServices([source, destination], random);
    case "kill QEMU":
      return killQemus(() => source.qemus("machine"));
    case "kill twin":
      return killQemus(() => destination.qemus("twin"));
    case "kill new QEMU":
      return killQemus(() => destination.qemus("machine"));
    case "cut": {
      const bytes = random() < 0.4 ? 0 : magnitude(random, 1, 100_000);
      if (bytes === 0) for (const { line } of [source, destination]) line.cut();
      else destination.line.cutAfter = bytes;
      return nothing;
    }
    case "stall": {
      const ms = pick(random, 300, 2500);
      for (const { line } of [source, destination]) line.stall(ms);
      if (random() < 0.5) later(() => { for (const { line } of [source, destination]) line.cut(); }, random() * ms);
      return nothing;
    }
    case "slow":
      for (const { line } of [source, destination]) line.rate = magnitude(random, 60_000, 1_000_000);
      return nothing;
    case "late frames":
      return makeLate(scene);
    case "second session":
      return openTwice(scene);
    case "disk full, source":
      return fillDisk(source, random);
    case "disk full, destination":
      return fillDisk(destination, random);
    case "clock back, source":
      return setClockBack(source, random);
    case "clock back, destination":
      return setClockBack(destination, random);
    case "power cut, source":
      return losePower(source, random);
    case "power cut, destination":
      return losePower(destination, random);
  }
}
