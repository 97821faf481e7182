import { hash } from "node:crypto";
import { HomewardError } from "../common/errors.ts";
import type { GenerationManifest } from "../protocol/generation.ts";

export type GenerationParts = Pick<GenerationManifest, "machine" | "ramRoot" | "diskRoot" | "deviceSha256">;

/** JSON with sorted keys, no white space and whole numbers only, so that equal values have equal texts (cf. RFC 8785). */
function canonicalJson(value: unknown): string {
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) throw new HomewardError("INTERNAL", "only whole numbers have one text");
    return String(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object") throw new HomewardError("INTERNAL", `no JSON for a ${typeof value}`);
  const fields = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field)}`);
  return `{${fields.join(",")}}`;
}

/** The name of a generation: SHA-256, in hexadecimal, over everything that a resumed machine depends on. */
export function generationRoot(parts: GenerationParts): string {
  const { machine, ramRoot, diskRoot, deviceSha256 } = parts;
  return hash("sha256", `homeward generation 1\n${canonicalJson({ machine, ramRoot, diskRoot, deviceSha256 })}`);
}
