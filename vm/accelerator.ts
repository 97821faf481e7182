import { once } from "node:events";
import { access, constants } from "node:fs/promises";
import { descriptorPath, namelessFile } from "./nameless-file.ts";
import { abortReason, throwIfAborted } from "../common/abort.ts";
import { start } from "../common/spawn.ts";
import { PROBE_EXIT_STATUS, PROBE_PORTS, PROBE_STEPS, probeImage } from "./probe-image.ts";

const QEMU = "qemu-system-x86_64";
const KVM_DEVICE = "/dev/kvm";
/** The model that new machines get: old enough for every 64-bit computer of the last fifteen years. */
export const PORTABLE_CPU_MODEL = "Nehalem";
/** Software emulation needs a fifth of it; an accelerator that needs more is slower than that and not used. */
const PROBE_LIMIT_MS = 2000;

export interface AcceleratorProbe {
  readonly accelerator: "kvm" | "tcg";
  /** Why, in a sentence for the user. */
  readonly reason: string;
}

export interface ProbeRun {
  readonly works: boolean;
  /** How far it came; see PROBE_STEPS. */
  readonly steps: string;
  readonly ms: number;
  /** What QEMU printed. */
  readonly words: string;
}

function probeArguments(accelerator: "kvm" | "tcg", image: string): string[] {
  return [
    "-nodefaults",
    "-no-user-config",
    "-machine",
    "pc",
    "-accel",
    accelerator,
    "-cpu",
    `${PORTABLE_CPU_MODEL},enforce`,
    "-m",
    "16M",
    "-display",
    "none",
    "-no-reboot",
    "-kernel",
    image,
    "-chardev",
    "stdio,id=steps,signal=off",
    "-device",
    `isa-debugcon,iobase=${PROBE_PORTS.debug},chardev=steps`,
    "-device",
    `isa-debug-exit,iobase=${PROBE_PORTS.exit},iosize=1`,
  ];
}

/** Runs the probe under one accelerator, for two seconds at most. @throws ENVIRONMENT without QEMU, CANCELLED */
export async function runProbe(accelerator: "kvm" | "tcg", signal?: AbortSignal): Promise<ProbeRun> {
  throwIfAborted(signal);
  const image = await namelessFile(probeImage());
  try {
    const begun = performance.now();
    const stdio = ["ignore", "pipe", "pipe", image.fd] as const;
    const child = await start(QEMU, probeArguments(accelerator, descriptorPath(3)), { stdio });
    // Not "exit": its last words may still be in the pipes then.
    const closed = once(child, "close");
    let [steps, words] = ["", ""];
    child.stdout?.on("data", (chunk: Buffer) => {
      steps = (steps + chunk.toString("latin1")).slice(0, PROBE_STEPS.length);
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      words = (words + chunk.toString()).slice(-4096);
    });
    const kill = (): void => {
      child.kill("SIGKILL");
    };
    const timer = setTimeout(kill, PROBE_LIMIT_MS);
    signal?.addEventListener("abort", kill, { once: true });
    await closed;
    clearTimeout(timer);
    signal?.removeEventListener("abort", kill);
    if (signal?.aborted === true) throw abortReason(signal);
    return { works: child.exitCode === PROBE_EXIT_STATUS, steps, ms: performance.now() - begun, words: words.trim() };
  } finally {
    await image.close();
  }
}

/** What did not work, by the first step that is missing. */
const FAILURES = [
  "did not start a 64-bit program",
  "did not calculate",
  "did not finish a loop of twenty million steps",
  "delivered no timer interrupt",
  "did not end",
];

/** Why KVM is not used, given how its probe went. */
export function kvmFailure(probe: ProbeRun): string {
  if (probe.words.includes("doesn't support requested features"))
    return `KVM here cannot provide the CPU model ${PORTABLE_CPU_MODEL}`;
  const failure = FAILURES[probe.steps.length] ?? "failed";
  if (probe.ms >= PROBE_LIMIT_MS) return `KVM ${failure} within ${PROBE_LIMIT_MS / 1000} s`;
  const words = probe.words.split("\n").at(-1) ?? "";
  return words === "" ? `KVM ${failure}` : `KVM does not work: ${words}`;
}

async function deviceProblem(): Promise<string | null> {
  try {
    await access(KVM_DEVICE, constants.R_OK | constants.W_OK);
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT"
      ? `this computer offers no KVM (${KVM_DEVICE} is missing)`
      : `you may not use ${KVM_DEVICE}; on most systems the group "kvm" may`;
  }
}

/**
 * Tells whether KVM can be used. That the device opens says little: on some machines KVM answers a first instruction and
 * then never finishes a loop, so a small program has to run to its end in two seconds.
 * @throws ENVIRONMENT if QEMU is missing, CANCELLED
 */
export async function probeAccelerator(signal?: AbortSignal): Promise<AcceleratorProbe> {
  const software = (why: string): AcceleratorProbe => {
    return { accelerator: "tcg", reason: `${why}; software emulation is used` };
  };
  const problem = await deviceProblem();
  if (problem !== null) return software(problem);
  const probe = await runProbe("kvm", signal);
  if (!probe.works) return software(kvmFailure(probe));
  return { accelerator: "kvm", reason: `KVM ran a test program in ${Math.round(probe.ms)} ms` };
}
