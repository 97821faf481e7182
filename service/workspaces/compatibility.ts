import { HomewardError } from "../../common/errors.ts";
import type { MachineDefinition } from "../../protocol/machine.ts";

export interface HostAbilities {
  readonly accelerator: "kvm" | "tcg";
  readonly qemuVersion: string;
  readonly uefi: boolean;
}

/** @throws INCOMPATIBLE with the first of `incompatibilities` */
export function requireCompatible(workspace: string, machine: MachineDefinition, host: HostAbilities): void {
  for (const error of incompatibilities(workspace, machine, host)) throw error;
}

/**
 * Every reason why this host cannot run a machine's saved state. QEMU itself would load many of them and go wrong later: it
 * does not compare CPU models under tcg, and neither accelerator nor version at all.
 */
export function* incompatibilities(workspace: string, machine: MachineDefinition, host: HostAbilities): Generator<HomewardError> {
  if (machine.qemuVersion !== host.qemuVersion)
    yield new HomewardError(
      "INCOMPATIBLE",
      `${workspace} was made with QEMU ${machine.qemuVersion}; this computer has ${host.qemuVersion}`,
      {
        hint: `Install QEMU ${machine.qemuVersion} here.`,
        data: { needed: machine.qemuVersion, found: host.qemuVersion },
      },
    );
  // Every computer with QEMU has tcg; it is only kvm that may be missing.
  if (machine.accelerator === "kvm" && host.accelerator === "tcg")
    yield new HomewardError("INCOMPATIBLE", `${workspace} needs hardware virtualisation (KVM), which is not usable here`, {
      hint: `"homeward doctor" says why.`,
      data: { needed: "kvm", found: "tcg" },
    });
  if (machine.firmware === "uefi" && !host.uefi)
    yield new HomewardError("INCOMPATIBLE", `${workspace} has UEFI firmware, which is missing on this computer`, {
      hint: "Install it here (Debian: apt install ovmf).",
      data: { needed: "uefi", found: "bios" },
    });
}
