import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { run } from "../../common/spawn.ts";
import { ControlClient } from "../../protocol/control-client.ts";
import { controlSocket } from "../../protocol/state-dir.ts";
import { APP_DIR, buildApp } from "../../scripts/build-app.ts";
import { FAKE_ELECTRON } from "./fake-electron-main.ts";

const ROOT = join(import.meta.dirname, "..", "..");

let dir: string;

beforeEach(async () => {
  // Not TMPDIR: a socket's path has at most 107 bytes.
  dir = await mkdtemp("/tmp/hw-app-");
});
// The service may still be writing its last words.
afterEach(() => rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 500 }));

it("the bundled app starts a service, gives its page a session, and leaves the service running when it quits", async () => {
  await buildApp();
  // A tree like the repository's, in which "electron" is the fake.
  await cp(APP_DIR, join(dir, "out", "app"), { recursive: true });
  await writeFile(join(dir, "package.json"), `{ "type": "module" }`);
  await mkdir(join(dir, "node_modules", "electron"), { recursive: true });
  await writeFile(join(dir, "node_modules", "electron", "package.json"), `{ "type": "module", "exports": "./index.js" }`);
  await writeFile(join(dir, "node_modules", "electron", "index.js"), FAKE_ELECTRON);
  for (const name of [".bin", "ws"]) await symlink(join(ROOT, "node_modules", name), join(dir, "node_modules", name));
  await symlink(join(ROOT, "cli"), join(dir, "cli"));
  const state = join(dir, "state");
  const env = { ...process.env, HOMEWARD_STATE: state };
  const { stdout, stderr } = await run(process.execPath, [join(dir, "out", "app", "main.js")], { env, timeoutMs: 120_000 });
  const client = await ControlClient.connect(controlSocket(state));
  try {
    const told: unknown = JSON.parse(stdout.toString());
    const { host, pid } = await client.call("status", {});
    expect(told).toMatchObject({ page: 200, answer: { ok: true }, status: { host, pid, workspaces: [] } });
    expect(stderr).toBe("");
  } finally {
    await client.call("shutdown", { machines: "kill" });
    client.close();
  }
});
