import { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { HomewardError, toHomewardError } from "../../common/errors.ts";
import { exited, start } from "../../common/spawn.ts";
import type { PairedHost } from "../../protocol/control.ts";
import { parseSshAddress } from "../../protocol/ssh-address.ts";
import type { Identity } from "./identity.ts";
import { sshFailure, type SshEnd } from "./ssh-failure.ts";
import { handshake } from "./tls.ts";

/** Log in, and start a program on a slow computer. */
const DIAL_MS = 45_000;
/** How long ssh may take to say why it ends. */
const END_MS = 5000;
const WORDS_BYTES = 8192;

/** Nothing is asked for, nothing is forwarded, no key is learned, and no other session's connection is used. */
const SETTINGS = [
  "BatchMode=yes",
  "StrictHostKeyChecking=yes",
  "UpdateHostKeys=no",
  "ClearAllForwardings=yes",
  "ForwardAgent=no",
  "ForwardX11=no",
  "Tunnel=no",
  "PermitLocalCommand=no",
  "ControlMaster=no",
  "ControlPath=none",
  "RequestTTY=no",
  "EscapeChar=none",
  "ConnectTimeout=20",
  "ServerAliveInterval=15",
  "ServerAliveCountMax=3",
];

/**
 * ssh's arguments. Nothing in them comes from the other host, and an address has only characters that mean nothing to ssh.
 * @param config a file in place of the user's own settings of ssh
 * @throws USAGE if it is no address for ssh
 */
export function sshArguments(address: string, config: string | null): string[] {
  const { user, host, port } = parseSshAddress(address);
  return [
    ...(config === null ? [] : ["-F", config]),
    ...SETTINGS.flatMap((setting) => ["-o", setting]),
    ...(user === null ? [] : ["-l", user]),
    ...(port === null ? [] : ["-p", String(port)]),
    "--",
    host,
    // One word after the other for the other side's shell; a forced command there takes their place.
    "homeward serve --stdio",
  ];
}

export interface SshOptions {
  readonly config: string | null;
  readonly signal?: AbortSignal;
}

/**
 * A connection to a paired host by way of ssh. What passes inside is TLS with both hosts' certificates, as on any other
 * way: whom ssh lets in is nobody here yet, and who answers behind ssh has to be the host that was paired.
 * @throws PEER with what ssh said; ENVIRONMENT without ssh
 */
export async function dialSsh(identity: Identity, host: PairedHost, options: SshOptions): Promise<TLSSocket> {
  const child = await start("ssh", sshArguments(host.address, options.config), { stdio: ["pipe", "pipe", "pipe"] });
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null) throw new HomewardError("INTERNAL", "ssh has no pipes");
  stdin.on("error", () => undefined);
  let words = "";
  stderr.on("data", (chunk: Buffer) => {
    words = (words + chunk.toString("latin1")).slice(-WORDS_BYTES);
  });
  const closed = new Promise((resolve) => child.once("close", resolve));
  const end = async (): Promise<SshEnd> => {
    const status = await exited(child);
    await closed;
    return { status, words };
  };
  const pipes = Duplex.from({ readable: stdout, writable: stdin });
  try {
    const socket = await handshake(identity, host, { socket: pipes }, { ...options, timeoutMs: DIAL_MS });
    socket.once("close", () => {
      child.kill();
    });
    return socket;
  } catch (error) {
    const isItsOwn = child.exitCode === null && toHomewardError(error).data["ended"] !== true;
    if (isItsOwn) child.kill();
    const timer = setTimeout(() => child.kill(), END_MS);
    const ended = await end();
    clearTimeout(timer);
    throw isItsOwn ? error : sshFailure(host.name, host.address, ended);
  }
}
