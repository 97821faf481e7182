import type { MakeParser } from "../parser.ts";
import { controlAnswers, controlRequests } from "./control.ts";
import { databaseFile, databaseRows } from "./database.ts";
import { guestDisk, guestMemory, shippedList } from "./explained.ts";
import {
  blockHashes,
  bootRecord,
  deviceDelta,
  generationManifest,
  guestFolder,
  identity,
  imageFormat,
  lockFile,
  merkleFile,
  qcow2Header,
} from "./files.ts";
import { events, sealedSegments, segments } from "./input-log.ts";
import { index, indexSequence, need, repair, residualFrame } from "./residual.ts";
import { rfbServer, rfbViewer } from "./rfb.ts";
import { nbdClient, nbdExtents, nbdStream, qmpClient, qmpStream } from "./streams.ts";
import { guestDefinition, hostId, libvirt, networkStatus, peerAddress, session } from "./text.ts";
import { frames, machineDefinition, messages } from "./wire.ts";

interface Fuzzed {
  readonly make: MakeParser;
  /** How many inputs it gets beside others that have 1: less for those that are slow. */
  readonly share: number;
}

/** Every parser of what comes from a peer, a guest or a file, by its name. */
export const PARSERS: Readonly<Record<string, Fuzzed>> = {
  frames: { make: frames, share: 1 },
  messages: { make: messages, share: 1 },
  machine: { make: machineDefinition, share: 0.5 },
  "log-events": { make: events, share: 1 },
  "log-segment": { make: segments, share: 0.3 },
  "log-sealed": { make: sealedSegments, share: 0.5 },
  index: { make: index, share: 1 },
  "index-sequence": { make: indexSequence, share: 1 },
  need: { make: need, share: 1 },
  residual: { make: residualFrame, share: 0.3 },
  repair: { make: repair, share: 1 },
  "device-delta": { make: deviceDelta, share: 0.05 },
  "hash-tree": { make: merkleFile, share: 0.5 },
  "block-hashes": { make: blockHashes, share: 0.2 },
  "generation-manifest": { make: generationManifest, share: 0.3 },
  "guest-folder": { make: guestFolder, share: 0.3 },
  "guest-definition": { make: guestDefinition, share: 1 },
  "qcow2-header": { make: qcow2Header, share: 0.3 },
  "boot-record": { make: bootRecord, share: 1 },
  "image-format": { make: imageFormat, share: 0.3 },
  libvirt: { make: libvirt, share: 0.5 },
  session: { make: session, share: 1 },
  identity: { make: identity, share: 0.05 },
  lock: { make: lockFile, share: 0.2 },
  "host-id": { make: hostId, share: 1 },
  "peer-address": { make: peerAddress, share: 1 },
  "control-requests": { make: controlRequests, share: 0.5 },
  "control-answers": { make: controlAnswers, share: 0.5 },
  "rfb-server": { make: rfbServer, share: 0.3 },
  "rfb-viewer": { make: rfbViewer, share: 1 },
  "nbd-stream": { make: nbdStream, share: 1 },
  "nbd-client": { make: nbdClient, share: 0.1 },
  "nbd-extents": { make: nbdExtents, share: 1 },
  "qmp-stream": { make: qmpStream, share: 1 },
  "qmp-client": { make: qmpClient, share: 0.1 },
  "network-status": { make: networkStatus, share: 0.3 },
  "database-rows": { make: databaseRows, share: 0.3 },
  "database-file": { make: databaseFile, share: 0.05 },
  "shipped-list": { make: shippedList, share: 0.5 },
  "guest-memory": { make: guestMemory, share: 0.02 },
  "guest-disk": { make: guestDisk, share: 0.1 },
};

/** So many inputs in all, by their shares. @param names all when left out */
export function sharedOut(inputs: number, names: readonly string[] = Object.keys(PARSERS)): { parser: string; inputs: number }[] {
  const share = (name: string): number => PARSERS[name]?.share ?? 0;
  const all = names.reduce((sum, name) => sum + share(name), 0);
  return names.map((parser) => ({ parser, inputs: Math.ceil((inputs * share(parser)) / all) }));
}
