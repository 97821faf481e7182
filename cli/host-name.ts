import { hostname } from "node:os";

/** This computer's name made into a host name that the protocol allows: lower-case letters, digits, inner hyphens. */
export function defaultHostName(computer: string = hostname()): string {
  const name = (computer.split(".")[0] ?? "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 32)
    .replace(/^-+|-+$/g, "");
  return name === "" ? "host" : name;
}
