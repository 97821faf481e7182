import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { abortReason, withTimeout } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import type { Peers } from "../context.ts";
import type { Store } from "../store/store.ts";
import type { PairedHosts } from "./paired-hosts.ts";
import { requireRight, type Right } from "./rights.ts";

const CONNECT_TIMEOUT_MS = 10_000;

/** The hosts that this service was told of, each with the unix socket that leads to it, and those that it is paired with. */
export class PeerDirectory implements Peers {
  readonly #store: Store;
  readonly #hostName: string;
  readonly #paired: PairedHosts;
  readonly #addresses: ReadonlyMap<string, string>;

  /** @param addresses name to socket path */
  constructor(hostName: string, store: Store, paired: PairedHosts, addresses: ReadonlyMap<string, string>) {
    this.#hostName = hostName;
    this.#store = store;
    this.#paired = paired;
    this.#addresses = addresses;
    for (const [name, address] of addresses) store.setPeer(name, address);
  }

  list(): { readonly name: string; readonly address: string }[] {
    const bySocket = [...this.#addresses].map(([name, address]) => ({ name, address }));
    return [...bySocket, ...this.#paired.list().map(({ name, address }) => ({ name, address }))];
  }

  isClaimed(name: string): boolean {
    return this.#addresses.has(name);
  }

  requireRight(peer: string, right: Right, workspace: string): void {
    const rights = this.#paired.get(peer)?.rights;
    if (rights !== undefined) requireRight(rights, right, { host: this.#hostName, peer, workspace });
  }

  shares(peer: string, workspace: string): boolean {
    const rights = this.#paired.get(peer)?.rights;
    if (rights === undefined) return this.isClaimed(peer);
    return (rights.push || rights.take) && (rights.workspaces === null || rights.workspaces.includes(workspace));
  }

  noteSeen(name: string): void {
    if (this.isClaimed(name)) this.#store.notePeerSeen(name);
    else this.#store.pairings.noteSeen(name);
  }

  async connect(name: string, signal?: AbortSignal): Promise<Duplex> {
    const address = this.#addresses.get(name);
    const known = this.list().map((host) => host.name);
    if (address === undefined && known.includes(name)) {
      const secure = await this.#paired.connect(name, signal);
      this.noteSeen(name);
      return secure;
    }
    if (address === undefined)
      throw new HomewardError("NOT_FOUND", `this host does not know a host named ${name}`, {
        hint:
          (known.length === 0 ? "It knows none." : `It knows ${known.join(", ")}.`) +
          ` "homeward pair ID ADDRESS --name ${name}" makes another one known.`,
        data: { known },
      });
    const stream = await dial(name, address, signal);
    this.noteSeen(name);
    return stream;
  }
}

function dial(name: string, address: string, signal: AbortSignal | undefined): Promise<Duplex> {
  const socket = connect(address);
  const connected = new Promise<Duplex>((resolve, reject) => {
    const onAbort = (): void => {
      if (signal !== undefined) reject(abortReason(signal));
    };
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    socket.once("connect", () => {
      signal?.removeEventListener("abort", onAbort);
      resolve(socket);
    });
    // Stays attached: an error between now and the first listener of the new owner must not end the process.
    socket.on("error", (cause) => {
      signal?.removeEventListener("abort", onAbort);
      reject(
        new HomewardError("PEER", `${name} cannot be reached`, {
          cause,
          hint: `Is its service running, and the link to it up?`,
          data: { address },
        }),
      );
    });
  });
  return withTimeout(connected, CONNECT_TIMEOUT_MS, name).catch((error: unknown) => {
    socket.destroy();
    throw error;
  });
}
