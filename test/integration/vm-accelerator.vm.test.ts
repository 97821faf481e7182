import { expect, test } from "vitest";
import { probeAccelerator, runProbe } from "../../vm/accelerator.ts";

test("the probe takes all its steps where software runs it", async () => {
  const probe = await runProbe("tcg");
  expect(probe).toMatchObject({ works: true, steps: "LSNT" });
});

test("an accelerator is chosen, with a reason, in little more than two seconds", async () => {
  const begun = performance.now();
  const { accelerator, reason } = await probeAccelerator();
  expect(performance.now() - begun).toBeLessThan(4000);
  expect(reason).toMatch(accelerator === "kvm" ? /^KVM ran/ : /software emulation is used$/);
});

test("it can be stopped", async () => {
  await expect(runProbe("tcg", AbortSignal.abort())).rejects.toMatchObject({ code: "CANCELLED" });
});
