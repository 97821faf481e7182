import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/**
 * Loaded into a service before anything else: on SIGUSR2 it collects its garbage, twice, as what the first finds may free more. Between
 * collections a service's memory goes up and down by some 30 MiB, in which a small leak would hide.
 */
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

process.on("SIGUSR2", () => {
  collect();
  setImmediate(collect);
});
