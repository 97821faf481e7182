import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { qemuArguments } from "../../vm/arguments.ts";
import { writeDeviceState } from "../../vm/device-state.ts";
import type { QmpClient, QmpEvent } from "../../vm/qmp-client.ts";
import { machine } from "./store-fixtures.ts";

const STATE = Buffer.from("QEVM and so on");

/** What QEMU is told while its state is saved; this one sends its state and is done. */
async function commandsOfSaving(): Promise<{ readonly commands: readonly string[]; readonly saved: Buffer }> {
  const dir = await mkdtemp(join(tmpdir(), "hw-suspend-"));
  const commands: string[] = [];
  let tell: (event: QmpEvent) => void = () => undefined;
  const qmp = {
    closed: new Promise(() => undefined),
    onEvent: (listener: typeof tell) => {
      tell = listener;
      return () => undefined;
    },
    execute: (command: string, args: Record<string, unknown> = {}) => {
      commands.push(`${command} ${JSON.stringify(args)}`);
      if (command === "migrate")
        // QEMU works in the folder of the socket.
        connect(join(dir, String(args["uri"]).slice("unix:".length))).end(STATE, () => {
          tell({ name: "MIGRATION", data: { status: "completed" } });
        });
      return Promise.resolve({});
    },
  } as unknown as QmpClient;
  try {
    const path = join(dir, "device");
    await writeDeviceState(qmp, join(dir, "sock"), path);
    return { commands, saved: await readFile(path) };
  } finally {
    await rm(dir, { recursive: true });
  }
}

test("saving the state takes these two commands: no bitmap is made, none is exported", async () => {
  const { commands, saved } = await commandsOfSaving();
  expect(saved.equals(STATE)).toBe(true);
  expect(commands).toEqual([
    expect.stringMatching(/^migrate-set-capabilities .*x-ignore-shared/),
    expect.stringMatching(/^migrate \{"uri":"unix:/),
  ]);
});

test("nothing that drives QEMU knows of dirty bitmaps or of exports in a QEMU that runs a machine", async () => {
  const folder = join(import.meta.dirname, "..", "..", "vm");
  const sources = (await readdir(folder)).filter((name) => name.endsWith(".ts"));
  expect(sources.length).toBeGreaterThan(20);
  for (const name of sources)
    expect(await readFile(join(folder, name), "utf8"), name).not.toMatch(/dirty-bitmap|block-export-add|nbd-server-/);
});

test("RAM is always the file itself, in every way to start a machine, and the CPU model is always enforced", () => {
  for (const incoming of [true, false])
    for (const network of ["open", "blocked"] as const)
      for (const accelerator of ["tcg", "kvm"] as const) {
        const args = qemuArguments(
          { ...machine, accelerator },
          {
            name: "work",
            ramPath: "/w/ram",
            diskLayers: ["/w/top.qcow2", "/w/base.qcow2"],
            kernelPath: null,
            initrdPath: null,
            runDir: "/run/w",
            network,
            incoming,
            diskFlush: network === "open" ? "safe" : "none",
            afterShutdown: network === "open" ? "end" : "stay",
          },
        );
        // With share=off the balloon's reporting punches holes into the file underneath: never the two together.
        expect(args.filter((word) => word.includes("memory-backend-file")).map((word) => JSON.parse(word) as object)).toEqual([
          expect.objectContaining({ "mem-path": "/w/ram", share: true }),
        ]);
        expect(args.filter((word) => word.includes("free-page-reporting=on"))).toHaveLength(1);
        expect(args).toContain("Nehalem,enforce");
        expect(args.join(" ")).not.toMatch(/bitmap/);
        expect(args.join(" ")).toMatch(/-vnc unix:\S+,share=ignore/);
      }
});
