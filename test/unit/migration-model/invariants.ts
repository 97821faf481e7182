import { isOver, NAMES, other, type Disk, type Name, type World } from "./world.ts";

/** Whether this host runs the workspace or would, by what it has on disk. */
export function mayRun(world: World, name: Name, { db }: Disk): boolean {
  return (
    db.owner === name &&
    !Object.entries(db.rows).some(([attempt, state]) => world.attempts[Number(attempt) - 1] === name && state === "released")
  );
}

/** What must never be. */
export function wrong(world: World): string | null {
  const { A, B } = world.hosts;
  for (const at of ["written", "synced"] as const)
    if (mayRun(world, "A", A[at]) && mayRun(world, "B", B[at]) && A[at].db.epoch === B[at].db.epoch) return `two owners (${at})`;
  for (const said of world.said) {
    const [message = "", attempt = ""] = said.split(":");
    const source = world.attempts[Number(attempt) - 1] ?? "A";
    const { db } = world.hosts[source].synced;
    const given = db.rows[attempt] ?? "";
    const tookBack = given === "cancelled" && db.epoch > (world.epochs[Number(attempt) - 1] ?? 0);
    if ((message === "release" || message === "released") && !["released", "done"].includes(given) && !tookBack)
      return `the release of ${attempt} was said and is not on record`;
    const had = world.hosts[other(source)].synced.db.rows[attempt] ?? "";
    if (message === "prepared" && !["prepared", "taken", "done", "dropped"].includes(had))
      return `${attempt} was said to be prepared and is not on record`;
    if (message === "taken" && !["taken", "done"].includes(had)) return `${attempt} was said to be taken and is not on record`;
  }
  for (const epoch in world.heads) if (!isSomewhere(world, Number(epoch), world.heads[epoch] ?? 0)) return `the newest work of epoch ${epoch} is nowhere`;
  return null;
}

/**
 * The newest work of an epoch must be where the workspace is in that epoch; between release and take that is in what the
 * destination prepared, and after a takeover it may have been set aside.
 */
function isSomewhere(world: World, epoch: number, head: number): boolean {
  const disks = NAMES.map((name) => world.hosts[name].synced);
  if (disks.some(({ db }) => db.returned.includes(head))) return true;
  const owner = NAMES.find((name) => mayRun(world, name, world.hosts[name].synced) && world.hosts[name].synced.db.epoch === epoch);
  if (owner !== undefined) return world.hosts[owner].content === head;
  return world.attempts.some((source, index) => {
    const attempt = String(index + 1);
    const { db, files } = world.hosts[other(source)].synced;
    return db.rows[attempt] === "prepared" && files.built[attempt] === head;
  });
}

export function isSettled(world: World): boolean {
  return (
    NAMES.every((name) => {
      const { todo, written } = world.hosts[name];
      return todo.length === 0 && !written.db.fencing && Object.values(written.db.rows).every((state) => isOver(state));
    }) && NAMES.filter((name) => mayRun(world, name, world.hosts[name].written) && world.hosts[name].written.db.workspace === "runs").length === 1
  );
}
