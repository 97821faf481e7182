import { HomewardError, toHomewardError } from "../common/errors.ts";
import { run } from "../common/spawn.ts";

const TIMEOUT_MS = 30_000;
/** QEMU builds the machine, and with it its processors, before it obeys. */
const QUIT = ["qmp_capabilities", "quit"].map((execute) => JSON.stringify({ execute })).join("\n");

/** @throws INCOMPATIBLE if QEMU does not know the CPU model or cannot give it on this computer; ENVIRONMENT, CANCELLED */
export async function requireCpuModel(
  model: string,
  accelerator: "kvm" | "tcg",
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  const machine = ["-machine", "pc", "-accel", accelerator, "-cpu", `${model},enforce`, "-m", "16M"];
  const args = ["-nodefaults", "-no-user-config", ...machine, "-display", "none", "-S", "-qmp", "stdio"];
  try {
    await run("qemu-system-x86_64", args, { ...options, timeoutMs: TIMEOUT_MS, input: QUIT });
  } catch (thrown) {
    const error = toHomewardError(thrown);
    if (error.code !== "GUEST") throw error;
    const { stderr } = error.data;
    const words = (typeof stderr === "string" ? stderr : error.message).trim();
    const missing = [...words.matchAll(/requested feature: \S*\.(\S+)/g)].map(([, feature]) => feature);
    const why = missing.length > 0 ? `it lacks ${missing.join(", ")}` : (words.split("\n").at(-1) ?? "");
    throw new HomewardError("INCOMPATIBLE", `this computer cannot run a machine with the CPU ${model}: ${why}`, {
      cause: error,
      hint: `Choose another with --cpu; "qemu-system-x86_64 -cpu help" lists them.`,
    });
  }
}
