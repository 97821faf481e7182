import { HomewardError } from "../../common/errors.ts";
import type { FrameName } from "../../protocol/wire.ts";

/** The error for a frame that is not due now. */
export function unexpected(name: FrameName, wanted: string, peer: string): HomewardError {
  const who = peer === "" ? "the other host" : peer;
  return new HomewardError("PEER", `${who} does not keep to the protocol: it sent ${name} where ${wanted} was due`, {
    hint: "Run the same version of Homeward on both hosts.",
  });
}
