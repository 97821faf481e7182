import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { exited, run, start, type ChildProcess } from "../../common/spawn.ts";

const SSHD = "/usr/sbin/sshd";
const CLI = join(import.meta.dirname, "..", "..", "cli", "main.ts");

/** A login of the test's sshd: a key of its own, and ssh's settings to use it. */
export interface Login {
  /** ssh://USER@127.0.0.1:PORT */
  readonly address: string;
  /** For -F and --ssh-config. */
  readonly config: string;
  readonly knownHosts: string;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function makeKey(path: string): Promise<string> {
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path]);
  return (await readFile(`${path}.pub`, "utf8")).trim();
}

/** Debian's sshd on a loopback port, with keys and settings in the test's folder and nothing of the computer's own. */
export class Sshd {
  readonly #dir: string;
  readonly #port: number;
  readonly #hostKey: string;
  readonly #child: ChildProcess;

  private constructor(dir: string, port: number, hostKey: string, child: ChildProcess) {
    this.#dir = dir;
    this.#port = port;
    this.#hostKey = hostKey;
    this.#child = child;
  }

  static async start(parent: string): Promise<Sshd> {
    const dir = join(parent, "sshd");
    await mkdir(dir, { mode: 0o700 });
    const port = await freePort();
    const hostKey = await makeKey(join(dir, "host"));
    const settings = [
      `Port ${String(port)}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${join(dir, "host")}`,
      `AuthorizedKeysFile ${join(dir, "authorized")}`,
      "AuthenticationMethods publickey",
      "PermitRootLogin forced-commands-only",
      "PidFile none",
      "UsePAM no",
      // Folders above the test's own, such as /tmp, are open to others.
      "StrictModes no",
      "PermitUserRC no",
    ];
    await writeFile(join(dir, "config"), `${settings.join("\n")}\n`);
    await writeFile(join(dir, "authorized"), "", { mode: 0o600 });
    const command = [SSHD, "-D", "-e", "-f", join(dir, "config")];
    // As root it wants a folder in /run, and gets one that nobody else sees.
    const script = `mount -t tmpfs -o mode=0755 none /run && mkdir /run/sshd && exec "$@"`;
    const [program = "", ...args] =
      process.getuid?.() === 0 ? ["unshare", "--mount", "--", "sh", "-c", script, "sh", ...command] : command;
    const child = await start(program, args, { stdio: ["ignore", "ignore", "pipe"] });
    const lines = createInterface({ input: child.stderr as NonNullable<ChildProcess["stderr"]> });
    await new Promise<void>((resolve, reject) => {
      lines.on("line", (line) => {
        if (line.startsWith("Server listening")) resolve();
      });
      child.once("exit", () => {
        reject(new Error("sshd did not start"));
      });
    });
    return new Sshd(dir, port, hostKey, child);
  }

  /** Lets a new key in. What ssh asks for is not run, but `command`, or homeward with that state folder. */
  async addLogin(name: string, to: { readonly state: string } | { readonly command: string }): Promise<Login> {
    const key = join(this.#dir, name);
    const publicKey = await makeKey(key);
    const command = "command" in to ? to.command : `${process.execPath} ${CLI} serve --stdio --state ${to.state}`;
    await writeFile(join(this.#dir, "authorized"), `command="${command}",restrict ${publicKey}\n`, { flag: "a" });
    return this.login(name, this.#hostKey);
  }

  /** A login with ssh's settings only: nobody let its key in. @param hostKey that ssh is to expect; null for none */
  async login(name: string, hostKey: string | null): Promise<Login> {
    const [config, knownHosts] = [join(this.#dir, `${name}.config`), join(this.#dir, `${name}.known`)];
    await writeFile(knownHosts, hostKey === null ? "" : `[127.0.0.1]:${String(this.#port)} ${hostKey}\n`);
    const settings = [
      `IdentityFile ${join(this.#dir, name)}`,
      "IdentitiesOnly yes",
      "IdentityAgent none",
      `UserKnownHostsFile ${knownHosts}`,
      "GlobalKnownHostsFile none",
    ];
    await writeFile(config, `${settings.join("\n")}\n`);
    return { address: `ssh://${userInfo().username}@127.0.0.1:${String(this.#port)}`, config, knownHosts };
  }

  get hostKey(): string {
    return this.#hostKey;
  }

  async end(): Promise<void> {
    this.#child.kill();
    await exited(this.#child);
  }
}
