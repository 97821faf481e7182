import { HomewardError, toHomewardError } from "../common/errors.ts";
import { run } from "../common/spawn.ts";

const TIMEOUT_MS = 30_000;
/** QEMU builds the machine, and with it its processors, before it obeys. */
const QUIT = ["qmp_capabilities", "quit"].map((execute) => JSON.stringify({ execute })).join("\n");

/**
 * @param machineType of QEMU; any PC when not given
 * @throws INCOMPATIBLE if QEMU does not know the CPU model or the machine type, or cannot give them on this computer;
 * ENVIRONMENT, CANCELLED
 */
export async function requireCpuModel(
  model: string,
  accelerator: "kvm" | "tcg",
  { machineType = "pc", ...options }: { readonly signal?: AbortSignal; readonly machineType?: string } = {},
): Promise<void> {
  const machine = ["-machine", machineType, "-accel", accelerator, "-cpu", `${model},enforce`, "-m", "16M"];
  const args = ["-nodefaults", "-no-user-config", ...machine, "-display", "none", "-S", "-qmp", "stdio"];
  try {
    await run("qemu-system-x86_64", args, { ...options, timeoutMs: TIMEOUT_MS, input: QUIT });
  } catch (thrown) {
    const error = toHomewardError(thrown);
    if (error.code !== "GUEST") throw error;
    const { stderr } = error.data;
    const words = (typeof stderr === "string" ? stderr : error.message).trim();
    if (words.includes("unsupported machine type"))
      throw new HomewardError("INCOMPATIBLE", `the QEMU of this computer has no machine of the type ${machineType}`, {
        cause: error,
        hint: `Install another version of QEMU; "qemu-system-x86_64 -machine help" lists what it has.`,
      });
    const missing = [...words.matchAll(/requested feature: \S*\.(\S+)/g)].map(([, feature]) => feature);
    const why = missing.length > 0 ? `it lacks ${missing.join(", ")}` : (words.split("\n").at(-1) ?? "");
    throw new HomewardError("INCOMPATIBLE", `this computer cannot run a machine with the CPU ${model}: ${why}`, {
      cause: error,
      hint: `Choose another with --cpu; "qemu-system-x86_64 -cpu help" lists them.`,
    });
  }
}
