import { createHash } from "node:crypto";
import { join } from "node:path";

/** Name of every file that the service keeps; no other module spells one. */
const NAMES = {
  database: "homeward.db",
  control: "control.sock",
  peers: "peers.sock",
  lock: "service.lock",
  log: "service.log",
  identity: "identity.pem",
  blobs: "blobs",
  layers: "layers",
  generations: "generations",
  workspaces: "workspaces",
  incoming: "incoming",
  shipped: "shipped",
  logKeys: "keys",
  pages: "pages.json",
  pagesLink: "pages.html",
} as const;

/** Files of a generation's folder; an exported one has `disk`, `kernel` and `initrd` as well. */
export const GENERATION_FILES = {
  manifest: "generation.json",
  ram: "ram",
  device: "device",
  ramTree: "ram.tree",
  diskTree: "disk.tree",
  ramHashes: "ram.hashes",
  diskHashes: "disk.hashes",
} as const;

/** In a stored generation's folder only, and no part of it: what was found when its files were last read as a whole. */
const CHECKED = "checked";

export const EXPORT_FILES = { ...GENERATION_FILES, disk: "disk.qcow2", kernel: "kernel", initrd: "initrd" } as const;

/** Files of a guest folder that guests/ builds. */
export const GUEST_FILES = { definition: "guest.json" } as const;

export interface WorkspacePaths {
  readonly dir: string;
  /** The writable top layer. */
  readonly overlay: string;
  /** Variables of UEFI firmware, for when the machine is turned on. */
  readonly variables: string;
  /** Running RAM when it does not fit in tmpfs. */
  readonly ram: string;
  /** Link to the console socket in the run folder. */
  readonly consoleLink: string;
  readonly inputLog: string;
  /** A complete saved state; it exists entirely or not at all. */
  readonly saved: SavedPaths;
  /** The saved state while it is being written. */
  readonly saving: SavedPaths;
}

export interface SavedPaths {
  readonly dir: string;
  readonly ram: string;
  readonly device: string;
}

export interface GenerationPaths {
  readonly dir: string;
  readonly manifest: string;
  readonly ram: string;
  readonly device: string;
  readonly ramTree: string;
  readonly diskTree: string;
  readonly ramHashes: string;
  readonly diskHashes: string;
  readonly checked: string;
}

function savedPaths(dir: string): SavedPaths {
  return { dir, ram: join(dir, "ram"), device: join(dir, "device") };
}

/** The layout of one host's state folder. Pure: nothing is created or read. */
export class StatePaths {
  readonly stateDir: string;
  readonly database: string;
  readonly control: string;
  /** Where "homeward serve --stdio" brings other hosts to. */
  readonly peers: string;
  readonly lock: string;
  readonly log: string;
  /** This host's key and certificate. */
  readonly identity: string;
  readonly blobs: string;
  readonly layers: string;
  readonly generations: string;
  readonly workspaces: string;
  readonly incoming: string;
  /** Which blocks migrations sent. */
  readonly shipped: string;
  /** Keys that the input logs are encrypted with. */
  readonly logKeys: string;
  /** Where the pages for browsers are served, and to whom. */
  readonly pages: string;
  /** Leads a browser there, once. */
  readonly pagesLink: string;
  /** Name of this host's folders outside the state folder, e.g. in /dev/shm: short, and different for each state folder. */
  readonly runName: string;

  /** @param stateDir absolute */
  constructor(stateDir: string) {
    this.stateDir = stateDir;
    this.database = join(stateDir, NAMES.database);
    this.control = join(stateDir, NAMES.control);
    this.peers = join(stateDir, NAMES.peers);
    this.lock = join(stateDir, NAMES.lock);
    this.log = join(stateDir, NAMES.log);
    this.identity = join(stateDir, NAMES.identity);
    this.blobs = join(stateDir, NAMES.blobs);
    this.layers = join(stateDir, NAMES.layers);
    this.generations = join(stateDir, NAMES.generations);
    this.workspaces = join(stateDir, NAMES.workspaces);
    this.incoming = join(stateDir, NAMES.incoming);
    this.shipped = join(stateDir, NAMES.shipped);
    this.logKeys = join(stateDir, NAMES.logKeys);
    this.pages = join(stateDir, NAMES.pages);
    this.pagesLink = join(stateDir, NAMES.pagesLink);
    this.runName = `homeward-${createHash("sha256").update(stateDir).digest("hex").slice(0, 8)}`;
  }

  /** Every folder inside the state folder that must exist. */
  get folders(): readonly string[] {
    return [this.blobs, this.layers, this.generations, this.workspaces, this.incoming, this.shipped, this.logKeys];
  }

  blob(sha256: string): string {
    return join(this.blobs, sha256);
  }

  layer(id: string): string {
    return join(this.layers, `${id}.qcow2`);
  }

  /** A folder for one migration's unfinished files. */
  incomingOf(migrationId: string): string {
    return join(this.incoming, migrationId);
  }

  generation(root: string): GenerationPaths {
    return generationPaths(join(this.generations, root));
  }

  /** Where a generation is put together before it is complete. */
  newGeneration(root: string): GenerationPaths {
    return generationPaths(join(this.generations, `new-${root}`));
  }

  workspace(name: string): WorkspacePaths {
    const dir = join(this.workspaces, name);
    return {
      dir,
      overlay: join(dir, "disk.qcow2"),
      variables: join(dir, "uefi-variables"),
      ram: join(dir, "ram"),
      consoleLink: join(dir, "console.sock"),
      inputLog: join(dir, "input-log.db"),
      saved: savedPaths(join(dir, "suspended")),
      saving: savedPaths(join(dir, "suspended.new")),
    };
  }
}

/** Files of a generation's folder, stored or exported. */
export function generationPaths(dir: string): GenerationPaths {
  return {
    dir,
    manifest: join(dir, GENERATION_FILES.manifest),
    ram: join(dir, GENERATION_FILES.ram),
    device: join(dir, GENERATION_FILES.device),
    ramTree: join(dir, GENERATION_FILES.ramTree),
    diskTree: join(dir, GENERATION_FILES.diskTree),
    ramHashes: join(dir, GENERATION_FILES.ramHashes),
    diskHashes: join(dir, GENERATION_FILES.diskHashes),
    checked: join(dir, CHECKED),
  };
}

/** Name in incoming/ of the generation of that workspace that is being laid down here. */
export function pushFolder(workspace: string): string {
  return `push-${workspace}`;
}

/** Sockets and running RAM of one workspace or twin, inside the run folders. */
export interface RunPaths {
  /** 0700; also the machine's runDir. */
  readonly dir: string;
  readonly consoleSocket: string;
}

export function runPaths(runRoot: string, id: string): RunPaths {
  const dir = join(runRoot, id);
  return { dir, consoleSocket: join(dir, "console.sock") };
}
