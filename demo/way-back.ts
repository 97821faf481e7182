import type { GuestName } from "../guests/definition.ts";
import { parseSession, type Session } from "./session/format.ts";

/** What the person does at home before they leave again: a line typed into whatever has the focus. */
export function atHome(guest: GuestName): Session {
  return parseSession(
    JSON.stringify({
      name: "at-home",
      description: "One line, so that there is something to bring back.",
      guest,
      steps: [{ wait_still: 0.5 }, { type: "echo back to the road\n" }, { wait_still: 1 }],
    }),
  );
}
