import { mkdir, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { HomewardError } from "../../common/errors.ts";
import { exists, syncDir } from "../store/durable.ts";
import type { Store } from "../store/store.ts";
import type { Fenced, WorkspaceRow } from "../store/workspaces-table.ts";

const MAX_NAME = 32;

/** What the work of a workspace is called that another host took over: NAME-returned-DATE, with a number if need be. */
export function returnedName(name: string, at: Date, isTaken: (name: string) => boolean): string {
  const date = at.toISOString().slice(0, 10).replaceAll("-", "");
  for (let n = 1; n < 1000; n++) {
    const suffix = `-returned-${date}${n === 1 ? "" : `-${n}`}`;
    const candidate = `${name.slice(0, MAX_NAME - suffix.length).replace(/-+$/, "")}${suffix}`;
    if (!isTaken(candidate)) return candidate;
  }
  throw new HomewardError("CONFLICT", `${name} came back too often today`);
}

/** A workspace that does not run gets another name: on record first, then its folder, then what is left under the old name. */
export async function setAside(store: Store, name: string, to: string, fenced: Fenced): Promise<WorkspaceRow> {
  const note = `${fenced.owner} took ${name} over; this is the work that was done here since`;
  return finishSettingAside(store, store.workspaces.rename(name, to, { fenced, note }));
}

/** What is left to do after a crash, too; may be repeated. The old name then is the owner's copy, if its generation is held here. */
export async function finishSettingAside(store: Store, row: WorkspaceRow): Promise<WorkspaceRow> {
  const { fenced, name } = row;
  if (fenced === null) return row;
  const from = store.paths.workspace(fenced.from).dir;
  const to = store.paths.workspace(name).dir;
  if (!(await exists(to))) await rename(from, to);
  await mkdir(from, { recursive: true, mode: 0o700 });
  await syncDir(dirname(to));
  return store.transaction(() => {
    const generation = store.generations.get(fenced.root);
    if (generation !== null) {
      const { manifest, layerIds } = generation;
      store.workspaces.insert({
        name: fenced.from,
        owner: fenced.owner,
        base: fenced.root,
        machine: manifest.machine,
        state: "away",
        resumeFrom: "generation",
        layers: layerIds,
      });
      store.workspaces.update(fenced.from, { epoch: fenced.epoch });
    }
    return store.workspaces.update(name, { fenced: null });
  });
}
