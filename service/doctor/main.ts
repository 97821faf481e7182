import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { EXIT_STATUS, toHomewardError } from "../../common/errors.ts";
import { runDoctor } from "./doctor.ts";

/** `node service/doctor/main.ts --state DIR [--fix]`: prints the doctor's findings as one line of JSON; needs no service. */
try {
  const { values } = parseArgs({ options: { state: { type: "string" }, fix: { type: "boolean", default: false } } });
  const found = await runDoctor({ stateDir: resolve(values.state ?? "."), mending: values.fix ? "safe" : "none" });
  process.stdout.write(`${JSON.stringify(found)}\n`);
} catch (error) {
  const { code, message } = toHomewardError(error);
  process.stderr.write(`${message}\n`);
  process.exitCode = EXIT_STATUS[code];
}
