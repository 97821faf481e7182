/** What a shipped block can be. A block has one kind. */
export const KINDS = [
  "zero",
  "page-descriptors",
  "page-tables",
  "slab",
  "kernel-stack",
  "kernel-image",
  "kernel-other",
  "user",
  "shared-memory",
  "page-cache",
  "metadata-cache",
  "free",
  "file-data",
  "directory",
  "inode-table",
  "bitmap",
  "journal",
  "superblock",
  "unknown",
] as const;
export type Kind = (typeof KINDS)[number];

export interface KindText {
  readonly title: string;
  /** What it is, in one sentence. */
  readonly what: string;
  /** What can be done against it, in one sentence. */
  readonly cure: string;
}

/** Every kind in words. The switches are those of `homeward prepare`. */
export const KIND_TEXTS: Readonly<Record<Kind, KindText>> = {
  zero: {
    title: "zeroes",
    what: "Blocks of zeroes; they are told by their number and never sent.",
    cure: "Nothing is to be done.",
  },
  "page-descriptors": {
    title: "page descriptors",
    what: "The kernel's array with one record of 64 bytes for each page of memory: what it is used for, by how many, in which list it stands.",
    cure: "Less memory that changes hands: a generation of a machine in use (seal after the programs were opened once), and fewer programs begun.",
  },
  "page-tables": {
    title: "page tables",
    what: "Which page of memory lies at which address of which process.",
    cure: "A generation of a machine in use; programs that stay open; the switch no-huge-pages keeps them alike between runs.",
  },
  slab: {
    title: "kernel objects",
    what: "Small records of the kernel: directory entries, inodes, files, processes, buffers.",
    cure: "A generation of a machine in use holds most of them already; init-on-free clears those that were given back.",
  },
  "kernel-stack": {
    title: "kernel stacks",
    what: "What the kernel was doing for each process when it last stopped.",
    cure: "Fewer processes: the switch quiet-services.",
  },
  "kernel-image": {
    title: "kernel and what it set up at boot",
    what: "The kernel's own variables, and memory that it took for good when it started.",
    cure: "None is known; it changes little by little.",
  },
  "kernel-other": {
    title: "other kernel memory",
    what: "Pages that the kernel took for itself and says no more about: buffers of devices and pipes, big tables, drivers.",
    cure: "Fewer services and devices: the switch quiet-services.",
  },
  user: {
    title: "memory of programs",
    what: "Heaps, stacks and variables of programs.",
    cure: "The switches jemalloc and fewer-syntax-files; fixed-addresses, which trades security; programs that were open already in the generation.",
  },
  "shared-memory": {
    title: "shared memory and tmpfs",
    what: "Memory that programs share, and files in /dev/shm, /run and /tmp where they are in memory.",
    cure: "Fewer files there: the switch quiet-log for the journal.",
  },
  "page-cache": {
    title: "files in memory",
    what: "Contents of files that were read or written and that neither the generation nor the twin holds.",
    cure: "It is what the work made; the switch settle-writes has it on the disk soon, where its copy costs nothing more.",
  },
  "metadata-cache": {
    title: "file system in memory",
    what: "Blocks of the file system itself (inodes, directories, bitmaps, journal) as the kernel holds them.",
    cure: "The switches settle-writes and discard; no times of reading (noatime).",
  },
  free: {
    title: "free memory",
    what: "Pages that nobody uses, with what was last in them.",
    cure: "The switch init-on-free: what was given back reads as zero and is not sent.",
  },
  "file-data": {
    title: "file data on the disk",
    what: "Contents of files that neither the generation nor the twin holds.",
    cure: "It is what the work made; the switch discard drops what was deleted.",
  },
  directory: {
    title: "directories on the disk",
    what: "Names of files.",
    cure: "Fewer files made: the switch quiet-log; none for those of the user.",
  },
  "inode-table": {
    title: "inodes on the disk",
    what: "Owners, times and places of files; times of the clock differ in every run.",
    cure: "No times of reading (noatime, part of the switch discard).",
  },
  bitmap: {
    title: "maps of free blocks on the disk",
    what: "Which blocks and inodes of the file system are in use.",
    cure: "The switch settle-writes, so that both runs have written as much.",
  },
  journal: {
    title: "journal on the disk",
    what: "The file system's log of what it is about to change.",
    cure: "The switch settle-writes; fewer writes: quiet-log and quiet-services.",
  },
  superblock: {
    title: "heads of the file system",
    what: "Superblocks and descriptors of block groups, with counts and times.",
    cure: "None is needed: they are few.",
  },
  unknown: {
    title: "not recognised",
    what: "Nothing in these blocks says what they are.",
    cure: "None is known.",
  },
};
