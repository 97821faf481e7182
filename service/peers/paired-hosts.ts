import type { TLSSocket } from "node:tls";
import { HomewardError } from "../../common/errors.ts";
import type { PairedHost, PendingHost, Rights } from "../../protocol/control.ts";
import { parseHostId } from "../../protocol/host-id.ts";
import { isSshAddress, normalAddress } from "../../protocol/ssh-address.ts";
import type { PairingsTable } from "../store/pairings-table.ts";
import type { Identity } from "./identity.ts";
import { dialSsh } from "./ssh.ts";
import { dialTls } from "./tls.ts";

/** Strangers that are remembered. Only in memory: nobody unknown makes this host write to its disk. */
const MAX_PENDING = 10;
const MAX_PAIRED = 200;
/** A paired host that goes wrong cannot take up every connection. */
const MAX_CONNECTIONS_EACH = 4;

export interface NewPairing {
  readonly id: string;
  readonly address: string;
  readonly name: string;
  readonly rights: Rights;
}

export interface PairedHostsOptions {
  readonly table: PairingsTable;
  readonly hostName: string;
  /** Hosts of these names are reached by a socket and cannot be paired as well. */
  readonly claimed: ReadonlySet<string>;
  /** Made when it is first needed. */
  readonly identity: () => Promise<Identity>;
  /** A file in place of the user's settings of ssh. */
  readonly sshConfig?: string | null;
}

/** The hosts whose certificates this one knows, and their open connections. */
export class PairedHosts {
  readonly #options: PairedHostsOptions;
  readonly #open = new Map<string, Set<TLSSocket>>();
  readonly #pending = new Map<string, PendingHost>();

  /** @throws CONFLICT if a host is both paired and given by a socket: whom its name stands for would be open */
  constructor(options: PairedHostsOptions) {
    this.#options = options;
    for (const { name } of this.list())
      if (options.claimed.has(name))
        throw new HomewardError("CONFLICT", `${name} is paired and cannot be given with --peer as well`, {
          hint: `Leave --peer ${name}=... out, or start without it and say: homeward unpair ${name}`,
        });
  }

  list(): PairedHost[] {
    return this.#options.table.list();
  }

  get(name: string): PairedHost | null {
    return this.list().find((host) => host.name === name) ?? null;
  }

  /** Newest first. */
  pending(): PendingHost[] {
    return [...this.#pending.values()].reverse();
  }

  /** @throws USAGE, CONFLICT */
  async pair({ id: typed, address: typedAddress, name, rights }: NewPairing): Promise<PairedHost> {
    const { table, hostName, claimed, identity } = this.#options;
    const id = parseHostId(typed);
    const address = normalAddress(typedAddress);
    if (name === hostName || id === (await identity()).id)
      throw new HomewardError("USAGE", "a host cannot be paired with itself", {
        hint: "The ID and the name are those of the other host.",
      });
    if (claimed.has(name))
      throw new HomewardError("CONFLICT", `${name} is reached by a socket already`, {
        hint: `Start the service without --peer ${name}=... first.`,
      });
    const hosts = this.list();
    const other = hosts.find((host) => (host.name === name) !== (host.id === id));
    if (other !== undefined)
      throw new HomewardError("CONFLICT", `${other.name} is paired already, with the ID ${other.id}`, {
        hint: `If that is no longer so: homeward unpair ${other.name}`,
      });
    if (hosts.length >= MAX_PAIRED) throw new HomewardError("CONFLICT", `${hosts.length} hosts are paired already`);
    table.put({ name, id, address, rights });
    this.#pending.delete(id);
    return this.#require(name);
  }

  /** From now on the host is a stranger; its connections end. @throws NOT_FOUND */
  unpair(name: string): PairedHost {
    const host = this.#require(name);
    this.#options.table.remove(name);
    for (const socket of this.#open.get(name) ?? []) socket.destroy();
    return host;
  }

  /** The name of the host that this certificate stands for; a stranger is remembered as pending. */
  recognise(id: string, socket: TLSSocket, from: string): string | null {
    const host = this.list().find((candidate) => candidate.id === id);
    if (host === undefined) {
      this.#pending.delete(id);
      this.#pending.set(id, { id, address: from, seenAt: new Date().toISOString() });
      const [oldest] = this.#pending.keys();
      if (this.#pending.size > MAX_PENDING && oldest !== undefined) this.#pending.delete(oldest);
      return null;
    }
    if ((this.#open.get(host.name)?.size ?? 0) >= MAX_CONNECTIONS_EACH) return null;
    this.#track(host.name, socket);
    return host.name;
  }

  /** @throws NOT_FOUND, PEER */
  async connect(name: string, signal?: AbortSignal): Promise<TLSSocket> {
    const host = this.#require(name);
    const socket = await this.#dial(host, signal);
    // It may have been unpaired while the connection was made.
    if (this.get(name)?.id !== host.id) {
      socket.destroy();
      throw unpaired(name);
    }
    this.#track(name, socket);
    return socket;
  }

  async #dial(host: PairedHost, signal: AbortSignal | undefined): Promise<TLSSocket> {
    const { identity, sshConfig: config = null } = this.#options;
    if (!isSshAddress(host.address)) return dialTls(await identity(), host, signal);
    return dialSsh(await identity(), host, { config, ...(signal === undefined ? {} : { signal }) });
  }

  #track(name: string, socket: TLSSocket): void {
    const sockets = this.#open.get(name) ?? new Set();
    this.#open.set(name, sockets.add(socket));
    socket.once("close", () => {
      sockets.delete(socket);
    });
  }

  #require(name: string): PairedHost {
    const host = this.get(name);
    if (host === null) throw unpaired(name);
    return host;
  }
}

function unpaired(name: string): HomewardError {
  return new HomewardError("NOT_FOUND", `no host named ${name} is paired`, { hint: `"homeward hosts" lists those that are.` });
}
