import { HomewardError } from "../common/errors.ts";

/**
 * The X display of this session.
 * @throws ENVIRONMENT if there is none, or if it is Wayland, where no program may see what is done in another's window
 */
export function sessionDisplay(env: NodeJS.ProcessEnv): string {
  if (env["WAYLAND_DISPLAY"] || env["XDG_SESSION_TYPE"] === "wayland")
    throw new HomewardError("ENVIRONMENT", "this is a Wayland session, in which no program can see what is done in a window", {
      hint: "Log in to an X11 session, or use the console, which is recorded in every session.",
    });
  const display = env["DISPLAY"];
  if (display) return display;
  throw new HomewardError("ENVIRONMENT", "there is no display (DISPLAY is not set)", {
    hint: "Run this in a terminal of a graphical session.",
  });
}
