import { once } from "node:events";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { connect as connectTcp, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PeerLink } from "../../service/migration/peer-link.ts";
import { dialTls, tlsOptions } from "../../service/peers/tls.ts";
import { openIdentity, type Identity } from "../../service/peers/identity.ts";
import { TlsListener } from "../../service/peers/tls-listener.ts";
import { parsePeerAddress } from "../../protocol/peer-address.ts";
import { eventually, failure, removeRunFolders, TestHost } from "../e2e/migration-hosts.ts";

/** A real service, and this test as the other host; no virtual machine is needed. */
let dir: string;
let host: TestHost;
let mine: Identity;
let stranger: Identity;
let id: string;
let address: string;

const RIGHTS = { push: true, take: true, workspaces: null };
const pairMe = (name = "near"): Promise<unknown> =>
  host.call("pair", { id: mine.id, address: "127.0.0.1:1", name, rights: RIGHTS });

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-tls-"));
  host = new TestHost(dir, "far", "paired");
  [mine, stranger] = await Promise.all([openIdentity(join(dir, "mine.pem")), openIdentity(join(dir, "stranger.pem"))]);
  await host.start();
  const { id: found, listen } = await host.call("hosts", {});
  if (listen === null) throw new Error("it does not listen");
  [id, address] = [found, listen];
});
afterAll(async () => {
  await host.end();
  await removeRunFolders(host.state);
  await rm(dir, { recursive: true, force: true });
});

/** A connection that comes as far as it may. */
function knock(options: ConnectionOptions): TLSSocket {
  const socket = connect({ ...parsePeerAddress(address), ...options });
  socket.on("error", () => undefined);
  return socket;
}

/** Everything that was received inside TLS until the other side closed. */
async function received(socket: Socket): Promise<number> {
  let bytes = 0;
  socket.on("data", (data: Buffer) => {
    bytes += data.length;
  });
  if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
  return bytes;
}

function dial(identity = mine, expected = id): Promise<TLSSocket> {
  const rest = { rights: RIGHTS, pairedAt: "2026-01-01T00:00:00.000Z", lastSeenAt: null };
  return dialTls(identity, { name: "far", id: expected, address, ...rest });
}

describe("an identity", () => {
  it("is made once, and is for nobody else", async () => {
    const path = join(host.state, "identity.pem");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await openIdentity(path)).id).toBe(id);
    expect(stranger.id).not.toBe(mine.id);
  });

  it("that is damaged is refused, not replaced", async () => {
    const path = join(dir, "mixed.pem");
    await writeFile(path, mine.key + stranger.certificate);
    expect((await failure(openIdentity(path))).code).toBe("DAMAGED");
  });
});

describe("a host that is not paired", () => {
  it("is pending, and gets not a byte of the protocol", async () => {
    const socket = await dial(stranger);
    socket.write(Buffer.alloc(100));
    expect(await received(socket)).toBe(0);
    const { pending, hosts } = await host.call("hosts", {});
    expect(hosts).toEqual([]);
    expect(pending[0]?.id).toBe(stranger.id);
  });

  it("without a certificate is not even pending", async () => {
    const { ALPNProtocols } = tlsOptions(mine);
    const { pending } = await host.call("hosts", {});
    expect(await received(knock({ ALPNProtocols: ALPNProtocols ?? [], rejectUnauthorized: false }))).toBe(0);
    expect((await host.call("hosts", {})).pending).toEqual(pending);
  });

  it("gets nowhere with TLS 1.2, another protocol inside, or no TLS at all", async () => {
    await pairMe();
    const old = knock({ ...tlsOptions(mine), minVersion: "TLSv1.2", maxVersion: "TLSv1.2" });
    const other = knock({ ...tlsOptions(mine), ALPNProtocols: ["http/1.1"] });
    const none = knock({ ...tlsOptions(mine), ALPNProtocols: [] });
    const plain = connectTcp(parsePeerAddress(address));
    plain.on("error", () => undefined);
    plain.write("GET / HTTP/1.1\r\n\r\n");
    const [oldBytes, otherBytes, noneBytes] = await Promise.all([old, other, none, plain].map(received));
    expect([oldBytes, otherBytes, noneBytes]).toEqual([0, 0, 0]);
    expect([old.getProtocol(), other.authorized]).toEqual([null, false]);
    await host.call("unpair", { name: "near" });
  });
});

describe("a paired host", () => {
  it("is greeted under its name, cannot use another one, and is cut off when it is unpaired", async () => {
    await pairMe();
    const liar = await PeerLink.open(await dial(), { host: "home" });
    expect((await failure(liar.receive())).message).toContain("knows this host as near, but it calls itself home");
    const link = await PeerLink.open(await dial(), { host: "near" });
    expect(link.peer).toBe("far");
    await link.ping();
    await eventually("seen", async () => (await host.call("hosts", {})).hosts[0]?.lastSeenAt !== null);
    await host.call("unpair", { name: "near" });
    expect((await failure(link.receive())).code).toBe("PEER");
    const again = await dial();
    expect(await received(again)).toBe(0);
  });

  it("with another certificate than the pinned one gets nothing from who dials", async () => {
    let bytes = 0;
    const impostor = await TlsListener.listen({
      address: { host: "127.0.0.1", port: 0 },
      identity: stranger,
      admit: (_id, socket) => {
        socket.on("data", (data: Buffer) => {
          bytes += data.length;
        });
        return true;
      },
    });
    const rest = { rights: RIGHTS, pairedAt: "2026-01-01T00:00:00.000Z", lastSeenAt: null };
    const refused = await failure(dialTls(mine, { name: "far", id, address: impostor.address, ...rest }));
    expect(refused.message).toContain("its certificate is another one");
    await impostor.close();
    expect(bytes).toBe(0);
  });
});

describe("connections that show no certificate", () => {
  it("end after a while, and cannot keep others out", async () => {
    const listener = await TlsListener.listen({
      address: { host: "127.0.0.1", port: 0 },
      identity: stranger,
      admit: () => true,
      handshakeMs: 2000,
    });
    const at = parsePeerAddress(listener.address);
    const idle = Array.from({ length: 40 }, () => connectTcp(at).on("error", () => undefined));
    const ended = Promise.all(idle.map(received));
    const secure = connect({ ...at, ...tlsOptions(mine) });
    secure.on("error", () => undefined);
    await once(secure, "secureConnect");
    await ended;
    expect(secure.destroyed).toBe(false);
    secure.destroy();
    await listener.close();
  });
});
