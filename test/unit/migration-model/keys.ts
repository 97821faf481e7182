import type { Disk, Host, World } from "./world.ts";

function keyOfDisk({ db, files }: Disk): string {
  let key = `${db.owner}${db.workspace} ${files.saved ?? ""} ${db.epoch} ${db.fencing ? 1 : 0} ${db.base} ${db.returned.join("+")}`;
  for (const attempt in db.rows) key += ` ${attempt}${db.rows[attempt] ?? ""}`;
  for (const attempt in files.built) key += ` ${attempt}:${files.built[attempt] ?? ""}`;
  return key;
}

function keyOfHost({ content, written, synced, todo }: Host): string {
  return `${content}|${keyOfDisk(written)}|${keyOfDisk(synced)}|${todo.join()}`;
}

/** Numbers for what hosts are found in: of a new world most is known already, and comparing it in full takes long. */
export class Keys {
  readonly #numbers = new Map<string, number>();
  readonly #hosts = new WeakMap<Host, number>();

  #number(text: string): number {
    const number = this.#numbers.get(text) ?? this.#numbers.size;
    this.#numbers.set(text, number);
    return number;
  }

  #ofHost(host: Host): number {
    const number = this.#hosts.get(host) ?? this.#number(keyOfHost(host));
    this.#hosts.set(host, number);
    return number;
  }

  of({ hosts, said, attempts, head, heads, epochs, takeovers }: World): string {
    const rest = `${said.join()} ${attempts.join("")} ${epochs.join()} ${JSON.stringify(heads)} ${takeovers}`;
    return [this.#ofHost(hosts.A), this.#ofHost(hosts.B), this.#number(rest), head].join();
  }
}
