import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { abortReason, withTimeout } from "../../common/abort.ts";
import { HomewardError } from "../../common/errors.ts";
import type { Peers } from "../context.ts";
import type { Store } from "../store/store.ts";

const CONNECT_TIMEOUT_MS = 10_000;

/** The hosts that this service was told of, each with the unix socket that leads to it. */
export class PeerDirectory implements Peers {
  readonly #store: Store;
  readonly #addresses: ReadonlyMap<string, string>;

  /** @param addresses name to socket path */
  constructor(store: Store, addresses: ReadonlyMap<string, string>) {
    this.#store = store;
    this.#addresses = addresses;
    for (const [name, address] of addresses) store.setPeer(name, address);
  }

  list(): { readonly name: string; readonly address: string }[] {
    return [...this.#addresses].map(([name, address]) => ({ name, address }));
  }

  async connect(name: string, signal?: AbortSignal): Promise<Duplex> {
    const address = this.#addresses.get(name);
    const known = [...this.#addresses.keys()];
    if (address === undefined)
      throw new HomewardError("NOT_FOUND", `this host does not know a host named ${name}`, {
        hint:
          (known.length === 0 ? "It knows none." : `It knows ${known.join(", ")}.`) +
          ` "homeward serve --peer ${name}=SOCKET" makes another one known.`,
        data: { known },
      });
    const stream = await dial(name, address, signal);
    this.#store.notePeerSeen(name);
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
