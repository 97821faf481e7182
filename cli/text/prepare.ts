import type { Switch } from "../../prepare/switches.ts";

function switchText({ name, byDefault, what, trades, gain }: Switch): string {
  return [
    `${name}${byDefault ? "" : "  (only when named)"}`,
    `  ${what}`,
    `  Trades: ${trades ?? "nothing that is known."}`,
    `  Gain:   ${gain === null ? "not measured by itself." : `${gain.text} (${gain.from}).`}`,
  ].join("\n");
}

/** Every switch, with what it does, trades and gains. */
export function switchesText(switches: readonly Switch[]): string {
  return [...switches.map(switchText), '"homeward prepare > prepare.sh" writes the script; run it as root inside the guest.'].join("\n\n");
}
