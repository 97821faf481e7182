import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { HomewardError } from "../../common/errors.ts";
import type { ImportPlan } from "../../protocol/import.ts";
import { hardwareFields, machineDefinitionSchema, type MachineDefinition } from "../../protocol/machine.ts";
import { requireCpuModel } from "../../vm/cpu-model.ts";
import { importImage } from "../../vm/disk-image.ts";
import { copyVariables, isVariables, requireUefi, requireVariables } from "../../vm/firmware.ts";
import { inspectSource, type SourceImage } from "../../vm/source/source-image.ts";
import { readLibvirt, type LibvirtMachine } from "../import/libvirt.ts";
import { planImport, type ImportRequest } from "../import/plan.ts";
import { freshDir } from "../store/durable.ts";
import { EXPORT_FILES } from "../store/paths.ts";
import type { OperationOptions, WorkspaceDeps } from "./dependencies.ts";

/** An image found fit to be taken in, and the machine it gets. */
export interface PreparedImport {
  readonly source: SourceImage;
  readonly plan: ImportPlan;
  readonly machine: MachineDefinition;
}

function definitionOf(plan: ImportPlan, accelerator: "kvm" | "tcg", qemuVersion: string): MachineDefinition {
  const definition: MachineDefinition = {
    format: 1,
    machineType: `pc-i440fx-${qemuVersion}`,
    accelerator,
    cpuModel: plan.cpuModel,
    qemuVersion,
    cpus: plan.cpus,
    memoryBytes: plan.memoryBytes,
    diskBytes: plan.diskBytes,
    mac: plan.mac,
    kernel: null,
    initrd: null,
    append: null,
    ...hardwareFields(plan),
  };
  const checked = machineDefinitionSchema.safeParse(definition);
  if (checked.success) return checked.data;
  throw new HomewardError("USAGE", `${plan.image} cannot be made a machine: ${z.prettifyError(checked.error)}`);
}

/** libvirt keeps variables where often only root can read them, and a machine can start without. @throws USAGE */
async function usableVariables(request: ImportRequest, plan: ImportPlan): Promise<ImportPlan> {
  const path = plan.uefiVariables;
  if (request.uefiVariables !== undefined) await requireVariables(request.uefiVariables);
  if (path === null || request.uefiVariables !== undefined) return plan;
  if (await isVariables(path).catch(() => false)) return plan;
  const note = `its firmware starts with new variables: ${path} cannot be read or is not of the 4 MiB kind`;
  return { ...plan, uefiVariables: null, notes: [...plan.notes, note] };
}

function described(request: ImportRequest): LibvirtMachine | null {
  if (request.libvirt === null) return null;
  return readLibvirt(request.libvirt, {
    image: request.image !== null,
    diskBus: request.diskBus !== undefined,
    nic: request.nic !== undefined,
    cpuModel: request.cpuModel !== undefined,
  });
}

/**
 * Looks at everything that an import needs, and changes nothing.
 * @throws everything that could keep the machine from being made, started or moved, with what to do about it: USAGE,
 * NOT_FOUND, CONFLICT, DAMAGED, INCOMPATIBLE, ENVIRONMENT, CANCELLED
 */
export async function prepareImport(
  deps: WorkspaceDeps,
  request: ImportRequest,
  options: OperationOptions,
): Promise<PreparedImport> {
  const libvirt = described(request);
  const path = request.image ?? libvirt?.image ?? null;
  if (path === null)
    throw new HomewardError("USAGE", "nothing says which disk image is to be taken in", { hint: "Name one after the name." });
  const dir = deps.store.paths.incomingOf(`import-${randomUUID()}`);
  await freshDir(dir);
  let source: SourceImage;
  try {
    source = await inspectSource(path, request.format ?? libvirt?.format ?? null, dir, signalOf(options));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
  const plan = await usableVariables(request, planImport(request, source, libvirt));
  const accelerator = request.accelerator ?? (await deps.accelerator()).accelerator;
  const machine = definitionOf(plan, accelerator, await deps.qemuVersion());
  if (plan.firmware === "uefi") await requireUefi();
  await requireCpuModel(machine.cpuModel, accelerator, signalOf(options));
  return { source, plan, machine };
}

function signalOf({ signal }: OperationOptions): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

/** Makes the workspace, whose folder is there already. @throws CONFLICT, DAMAGED, NO_ROOM, CANCELLED, USAGE */
export async function importWorkspace(
  deps: WorkspaceDeps,
  { workspace: name, hostLoopback }: Pick<ImportRequest, "workspace" | "hostLoopback">,
  { source, plan, machine }: PreparedImport,
  options: OperationOptions,
): Promise<void> {
  const { store } = deps;
  const dir = store.paths.incomingOf(`import-${randomUUID()}`);
  await freshDir(dir);
  try {
    if (plan.uefiVariables !== null) await copyVariables(plan.uefiVariables, store.paths.workspace(name).variables);
    const disk = join(dir, EXPORT_FILES.disk);
    await importImage(source, disk, machine.diskBytes, options);
    await store.generations.addLayer(disk, (layer) => {
      store.workspaces.insert({
        name,
        owner: null,
        base: null,
        machine,
        state: "off",
        resumeFrom: "boot",
        layers: [layer],
        hostLoopback,
      });
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
