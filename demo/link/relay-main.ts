import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { Relay, type Route } from "./relay.ts";
import { relayRequestSchema, type RelayAnswer } from "./relay-messages.ts";
import { parseLinkSpeed } from "./speed.ts";

/**
 * The line between the two hosts, as a process of its own:
 *   node demo/link/relay-main.ts --speed 1mbit,50ms --route 0:LISTEN:TO --route 1:LISTEN:TO
 * It takes requests as JSON lines on stdin and ends when stdin does, so that it never outlives the demo.
 */
function parseRoute(text: string): Route {
  const [direction, listen, to] = text.split(":");
  if ((direction !== "0" && direction !== "1") || !listen || !to) throw new Error(`not a route: ${text}`);
  return { direction: direction === "0" ? 0 : 1, listen, to };
}

const { values } = parseArgs({
  options: { speed: { type: "string" }, route: { type: "string", multiple: true } },
});
const relay = new Relay(parseLinkSpeed(values.speed ?? ""));
for (const route of values.route ?? []) await relay.listen(parseRoute(route));

function answer(message: RelayAnswer): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

// Ctrl-C is for the demo, which ends this process by closing its stdin once nothing needs the line any more.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
const requests = createInterface({ input: process.stdin });
requests.on("close", () => {
  relay.close();
  process.exit(0);
});
requests.on("line", (line) => {
  const request = relayRequestSchema.parse(JSON.parse(line));
  if (request.speed !== undefined) relay.speed = request.speed;
  const ready = request.quiet === true ? relay.quiet() : Promise.resolve();
  void ready.then(() => {
    answer({ id: request.id, ...relay.counters });
  });
});
answer({ id: 0, ...relay.counters });
