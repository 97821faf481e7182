/**
 * Descriptions of a disk's layers for QEMU and its tools. Every node is spelled out: the backing name in an image's own
 * header is never followed, since whoever wrote the file chose it.
 */
export type BlockdevOptions = Readonly<Record<string, unknown>>;

export interface ChainOptions {
  /** Whether the top layer may be written; the others never are. */
  readonly writable: boolean;
  /** "none" ignores flushes. */
  readonly flush: "safe" | "none";
}

function cacheOptions(flush: ChainOptions["flush"]): BlockdevOptions {
  return flush === "none" ? { cache: { "no-flush": true } } : {};
}

function fileOptions(path: string, writable: boolean, flush: ChainOptions["flush"]): BlockdevOptions {
  // auto-read-only would turn a layer that must be writable into one that silently is not.
  return writable
    ? { driver: "file", filename: path, discard: "unmap", "auto-read-only": false, ...cacheOptions(flush) }
    : { driver: "file", filename: path, "read-only": true, "auto-read-only": false };
}

function formatOptions(writable: boolean, flush: ChainOptions["flush"]): BlockdevOptions {
  return writable
    ? { driver: "qcow2", discard: "unmap", "detect-zeroes": "unmap", ...cacheOptions(flush) }
    : { driver: "qcow2", "read-only": true };
}

/** Node names of layer `depth`, 0 being the top. */
function nodeNames(depth: number): { file: string; format: string } {
  return { file: `file${depth}`, format: `disk${depth}` };
}

/** The node that the guest's disk is attached to. */
export const TOP_NODE = nodeNames(0).format;

/**
 * One description a node, in the order in which they have to be created: the base first.
 * @param layers absolute paths of qcow2 files, the top one first
 */
export function blockdevNodes(layers: readonly string[], options: ChainOptions): BlockdevOptions[] {
  return layers
    .map((path, depth) => {
      const names = nodeNames(depth);
      const writable = options.writable && depth === 0;
      const backing = depth + 1 < layers.length ? nodeNames(depth + 1).format : null;
      return [
        { "node-name": names.file, ...fileOptions(path, writable, options.flush) },
        { "node-name": names.format, ...formatOptions(writable, options.flush), file: names.file, backing },
      ];
    })
    .reverse()
    .flat();
}

/**
 * The whole chain as one file name for qemu-img and qemu-nbd.
 * @param layers absolute paths of qcow2 files, the top one first, at least one
 */
export function chainFileName(layers: readonly string[], options: ChainOptions): string {
  let node: BlockdevOptions | null = null;
  for (const [index, path] of [...layers].reverse().entries()) {
    const writable = options.writable && index === layers.length - 1;
    node = {
      ...formatOptions(writable, options.flush),
      file: fileOptions(path, writable, options.flush),
      backing: node,
    };
  }
  return `json:${JSON.stringify(node)}`;
}
