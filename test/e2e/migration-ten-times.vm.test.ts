import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TwoHosts, WORKSPACE, run, sees, type TestHost } from "./migration-hosts.ts";

const ROUNDS = 10;

let hosts: TwoHosts;
beforeAll(async () => {
  hosts = await TwoHosts.create();
});
afterAll(async () => {
  await hosts.end();
});

/** Types a line on `from`, moves the workspace to `to`, and checks that the same picture is shown there. */
async function work(from: TestHost, to: TestHost, peer: string, line: string): Promise<string> {
  const here = await from.console();
  const before = await run(here, line);
  here.close();
  const report = await from.call("migrate", { workspace: WORKSPACE, peer, mode: "replay" });
  expect(report.verified).toBe(true);
  expect(report.root_destination).toBe(report.root_source);
  expect(await from.workspace()).toMatchObject({ owner: peer, state: "away" });
  expect(await to.workspace()).toMatchObject({ owner: "here", state: "running", base: report.root_source });
  const there = await to.console();
  await sees(there, before);
  there.close();
  return report.root_source;
}

describe("a workspace that commutes", () => {
  it(`goes there and back ${String(ROUNDS)} times in a row`, async () => {
    const { near, far } = hosts;
    const roots = new Set<string>();
    for (let round = 1; round <= ROUNDS; round++) {
      roots.add(await work(near, far, "far", `clear; seq ${String(round)} 1500 > away; md5sum away\n`));
      roots.add(await work(far, near, "near", `clear; cat away away > home; md5sum home\n`));
    }
    expect(roots.size).toBe(2 * ROUNDS);
  });
});
