import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { memorySize } from "../../cli/commands/import.ts";
import { EXIT_STATUS, HomewardError } from "../../common/errors.ts";
import type { ControlParsedParams, ControlResult } from "../../protocol/control.ts";
import type { ImportPlan } from "../../protocol/import.ts";
import { WORKSPACE_STATUS } from "./cli-reports.ts";
import { runCli } from "./cli-surroundings.ts";
import { FakeService } from "./control-fake-service.ts";

const PLAN: ImportPlan = {
  image: "/images/server.qcow2",
  format: "qcow2",
  allocatedBytes: 1_230_000_000,
  diskBytes: 100 * 2 ** 30,
  memoryBytes: 2 ** 31,
  cpus: 2,
  cpuModel: "Nehalem",
  firmware: "uefi",
  diskBus: "sata",
  nic: "e1000",
  mac: "52:54:00:12:34:56",
  uefiVariables: null,
  origins: {
    memoryBytes: "given",
    cpus: "usual",
    cpuModel: "usual",
    firmware: "image",
    diskBus: "libvirt",
    nic: "libvirt",
    mac: "libvirt",
  },
  notes: ["left out: sound"],
};

let service: FakeService;
let dir: string;
let asked: ControlParsedParams<"import">[] = [];
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-cli-import-"));
  service = await FakeService.start({
    import: (params): Promise<ControlResult<"import">> => {
      asked.push(params);
      if (params.workspace === "bad")
        return Promise.reject(new HomewardError("INCOMPATIBLE", "win cannot be moved: it has a TPM", { hint: "Remove the TPM first." }));
      return Promise.resolve({ plan: PLAN, workspace: params.dryRun ? null : WORKSPACE_STATUS });
    },
  });
});
afterAll(async () => {
  await service.stop();
  await rm(dir, { recursive: true });
});

function cli(...args: string[]): ReturnType<typeof runCli> {
  asked = [];
  return runCli(["import", ...args], { stateDir: service.dir });
}

it("shows what the machine would be, and who said so", async () => {
  const { status, stdout } = await cli("server", "/images/server.qcow2", "--memory", "2G", "--dry-run");
  expect(status).toBe(0);
  expect(stdout).toBe(`/images/server.qcow2
  disk              100 GiB, qcow2            1.23 GB to copy
  disk attached by  sata                      from libvirt
  firmware          UEFI                      found on the disk
  memory            2 GiB                     as you said
  CPUs              2                         usual
  CPU model         Nehalem                   usual
  network card      e1000, 52:54:00:12:34:56  from libvirt
  UEFI variables    new                       usual
note: left out: sound
Nothing was made.
`);
  expect(asked).toEqual([
    { workspace: "server", image: "/images/server.qcow2", libvirt: null, memoryBytes: 2 ** 31, hostLoopback: false, dryRun: true },
  ]);
});

it("hands every setting on", async () => {
  const xml = join(dir, "machine.xml");
  await writeFile(xml, "<domain/>");
  const flags = "--memory 512M --cpus 4 --cpu Westmere --firmware uefi --uefi-variables /v.fd --disk-bus ide --nic none";
  const { status, json } = await cli("server", "--libvirt", xml, ...flags.split(" "), "--format", "vdi", "--accelerator", "tcg", "--json");
  expect(status).toBe(0);
  expect(json).toEqual([{ type: "result", plan: PLAN, workspace: WORKSPACE_STATUS }]);
  expect(asked).toEqual([
    {
      workspace: "server",
      image: null,
      libvirt: "<domain/>",
      memoryBytes: 2 ** 29,
      cpus: 4,
      cpuModel: "Westmere",
      firmware: "uefi",
      uefiVariables: "/v.fd",
      diskBus: "ide",
      nic: "none",
      format: "vdi",
      accelerator: "tcg",
      hostLoopback: false,
      dryRun: false,
    },
  ]);
});

it("says why a machine cannot be moved, with an exit status of its own", async () => {
  const { status, stderr, stdout } = await cli("bad", "/i");
  expect(status).toBe(EXIT_STATUS.INCOMPATIBLE);
  expect(stdout).toBe("");
  expect(stderr).toContain("win cannot be moved: it has a TPM\n  Remove the TPM first.");
});

it("refuses a description that is not there or far too long, without asking the service", async () => {
  expect(await cli("x", "--libvirt", join(dir, "none.xml"))).toMatchObject({ status: EXIT_STATUS.NOT_FOUND });
  const long = join(dir, "long.xml");
  await writeFile(long, " ".repeat(300_000));
  expect(await cli("x", "--libvirt", long)).toMatchObject({ status: EXIT_STATUS.USAGE });
  expect(asked).toEqual([]);
});

it("takes memory in MiB or GiB, in whole units of RAM", () => {
  expect([memorySize("512M"), memorySize("3G")]).toEqual([2 ** 29, 3 * 2 ** 30]);
  for (const text of ["2", "2g", "0G", "15M", "511M", "-1G", "1.5G", "1234567M", "G"])
    expect(() => memorySize(text)).toThrow(/512M, 2G/);
});
