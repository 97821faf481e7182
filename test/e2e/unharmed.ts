import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { expect } from "vitest";
import type { ErrorCode } from "../../common/errors.ts";
import { WORKSPACE, eventually, type TestHost, type TwoHosts } from "./migration-hosts.ts";

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

/** Content and allocated size of every file that a host's generations consist of. */
export async function storedGenerations(host: TestHost): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const folder of ["generations", "layers"])
    for (const entry of await readdir(join(host.files, folder), { recursive: true, withFileTypes: true })) {
      // A note about the files beside it, rewritten at will.
      if (!entry.isFile() || entry.name === "checked") continue;
      const path = join(entry.parentPath, entry.name);
      found[path.slice(host.files.length)] = `${await sha256(path)} ${String((await stat(path)).blocks)}`;
    }
  return found;
}

/** What an error has to look like that a failed move ends with: by default it says that the workspace goes on. */
export function refusal(code: ErrorCode, message: RegExp, hint = /desk goes on here, nothing was lost/): object {
  return {
    code,
    message: expect.stringMatching(message) as string,
    hint: expect.stringMatching(hint) as string,
  };
}

/** All that the suspended workspace of a host is made of. */
export interface Saved {
  readonly base: string | null;
  readonly files: Readonly<Record<string, string>>;
}

export async function savedState(host: TestHost): Promise<Saved> {
  const dir = join(host.files, "workspaces", WORKSPACE);
  const files: Record<string, string> = {};
  for (const file of ["suspended/ram", "suspended/device", "disk.qcow2"]) files[file] = await sha256(join(dir, file));
  return { base: (await host.workspace()).base, files };
}

/** Nothing is under way on either host, and neither keeps anything of it. */
export async function settled({ near, far }: TwoHosts): Promise<void> {
  await eventually("nothing is under way any more", async () => {
    const [mine, theirs] = [await near.workspace(), await far.workspace()];
    if (mine.migration !== null || theirs.migration !== null || theirs.pid !== null) return false;
    const left = await Promise.all([near, far].map(({ files }) => readdir(join(files, "incoming"))));
    return left.flat().length === 0;
  });
}

/** `near` still has exactly the suspended state that it had, and is its only owner. */
export async function expectUnharmed(hosts: TwoHosts, before: Saved): Promise<void> {
  await settled(hosts);
  expect(await hosts.near.workspace()).toMatchObject({ owner: "here", state: "suspended", base: before.base });
  expect(await hosts.far.workspace()).toMatchObject({ owner: "near", state: "away", pid: null });
  expect(await savedState(hosts.near)).toEqual(before);
}
