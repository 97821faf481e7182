/**
 * A kernel of 512 bytes that shows whether an accelerator really runs a PC: it enters long mode, calculates with SSE,
 * counts to twenty million and waits for a timer interrupt, telling of each step on port 0xe9, and ends QEMU through
 * isa-debug-exit. Sources: Multiboot specification 0.6.96, Intel SDM volumes 2 and 3.
 */

/** Letters in the order in which they appear on the debug port. */
export const PROBE_STEPS = "LSNT";

/** isa-debug-exit turns a written value v into the exit status 2v+1. */
const EXIT_VALUE = 42;
export const PROBE_EXIT_STATUS = EXIT_VALUE * 2 + 1;

export const PROBE_PORTS = { debug: 0xe9, exit: 0xf4 } as const;

const LOAD_ADDRESS = 0x100000;
const IMAGE_BYTES = 512;
/** Where each part lies in the image. */
const AT = { entry: 0x20, long: 0xb0, handler: 0x140, gdt: 0x160, gdtr: 0x178, idtr: 0x180 } as const;

/** Little-endian. */
function u32(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, (value >>> 24) & 0xff];
}

function address(part: keyof typeof AT): number {
  return LOAD_ADDRESS + AT[part];
}

const MULTIBOOT_MAGIC = 0x1badb002;
/** The header gives addresses, so that no ELF file is needed. */
const MULTIBOOT_FLAGS = 0x00010000;

const header = [
  MULTIBOOT_MAGIC,
  MULTIBOOT_FLAGS,
  -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS),
  LOAD_ADDRESS, // of this header
  LOAD_ADDRESS, // of the first byte
  LOAD_ADDRESS + IMAGE_BYTES, // end of what is loaded
  LOAD_ADDRESS + IMAGE_BYTES, // end of what is cleared
  address("entry"),
].flatMap(u32);

/** mov dword [at], value (32-bit mode) */
function store(at: number, value: number): number[] {
  return [0xc7, 0x05, ...u32(at), ...u32(value)];
}

/** mov al, value; out port, al */
function out(port: number, value: number): number[] {
  return [0xb0, value, 0xe6, port];
}

function tell(step: string): number[] {
  return out(PROBE_PORTS.debug, step.charCodeAt(0));
}

/** Low memory that is used: page tables at 0x1000, 0x2000 and 0x3000, interrupt table at 0x4000, stack below 0x9000. */
const PAGE_MAP = 0x1000;
const INTERRUPT_TABLE = 0x4000;
const TIMER_GATE = INTERRUPT_TABLE + 0x20 * 16;
const CODE_SELECTOR = 0x08;

/** 32-bit protected mode without paging, as Multiboot leaves it. */
const entry = [
  [0xfa], // cli
  [0xfc], // cld
  [0xbc, ...u32(0x9000)], // mov esp, 0x9000
  [0x31, 0xc0], // xor eax, eax
  [0xbf, ...u32(PAGE_MAP)], // mov edi, 0x1000
  [0xb9, ...u32(0x1000)], // mov ecx, 0x1000
  [0xf3, 0xab], // rep stosd: the tables start as zeros
  store(0x1000, 0x2003), // level 4: present, writable, goes on at 0x2000
  store(0x2000, 0x3003), // level 3: goes on at 0x3000
  store(0x3000, 0x0083), // level 2: the first 2 MiB as one page
  store(TIMER_GATE, (CODE_SELECTOR << 16) | (address("handler") & 0xffff)),
  store(TIMER_GATE + 4, (address("handler") & 0xffff0000) | 0x8e00), // interrupt gate, present
  [0xb8, ...u32(PAGE_MAP)], // mov eax, 0x1000
  [0x0f, 0x22, 0xd8], // mov cr3, eax
  [0x0f, 0x20, 0xe0], // mov eax, cr4
  [0x0d, ...u32(0x620)], // or eax, PAE | OSFXSR | OSXMMEXCPT
  [0x0f, 0x22, 0xe0], // mov cr4, eax
  [0xb9, ...u32(0xc0000080)], // mov ecx, IA32_EFER
  [0x0f, 0x32], // rdmsr
  [0x0d, ...u32(0x100)], // or eax, LME
  [0x0f, 0x30], // wrmsr
  [0x0f, 0x01, 0x15, ...u32(address("gdtr"))], // lgdt
  [0x0f, 0x01, 0x1d, ...u32(address("idtr"))], // lidt
  [0xb8, ...u32(0x80000033)], // mov eax, PG | NE | ET | MP | PE
  [0x0f, 0x22, 0xc0], // mov cr0, eax
  [0xea, ...u32(address("long")), CODE_SELECTOR, 0], // jmp far: into 64-bit code
].flat();

/** 64-bit mode. */
const long = [
  tell("L"),
  [0xb8, ...u32(21)], // mov eax, 21
  [0xf2, 0x0f, 0x2a, 0xc0], // cvtsi2sd xmm0, eax
  [0xf2, 0x0f, 0x58, 0xc0], // addsd xmm0, xmm0
  [0xf2, 0x0f, 0x2c, 0xc0], // cvttsd2si eax, xmm0
  [0x83, 0xf8, 42], // cmp eax, 42
  [0x75, 0xfe], // jne: stay here for good
  tell("S"),
  [0xb9, ...u32(20_000_000)], // mov ecx, 20000000
  [0xff, 0xc9], // dec ecx
  [0x75, 0xfc], // jnz to the dec
  tell("N"),
  out(0x20, 0x11), // interrupt controller: initialise, three more words follow
  out(0x21, 0x20), // its first line is vector 0x20
  out(0x21, 0x04), // the second controller is on line 2
  out(0x21, 0x01), // 8086 mode
  out(0x21, 0xfe), // only line 0, the timer
  out(0xa1, 0xff), // nothing from the second controller
  out(0x43, 0x34), // timer 0: rate generator, low byte then high byte
  out(0x40, 0x9c), // 1193182 Hz / 11932 = 100 Hz
  out(0x40, 0x2e),
  [0xfb], // sti
  [0xf4], // hlt
  [0xeb, 0xfd], // jmp to the hlt
].flat();

const handler = [...tell("T"), ...out(PROBE_PORTS.exit, EXIT_VALUE), 0xeb, 0xfe];

const gdt = [
  ...[0, 0, 0, 0, 0, 0, 0, 0],
  ...[0xff, 0xff, 0, 0, 0, 0x9a, 0xaf, 0], // 0x08: 64-bit code
  ...[0xff, 0xff, 0, 0, 0, 0x92, 0xcf, 0], // 0x10: data
];

/** The image as a file for QEMU's -kernel. */
export function probeImage(): Buffer {
  const image = Buffer.alloc(IMAGE_BYTES);
  image.set(header, 0);
  image.set(entry, AT.entry);
  image.set(long, AT.long);
  image.set(handler, AT.handler);
  image.set(gdt, AT.gdt);
  image.set([gdt.length - 1, 0, ...u32(address("gdt"))], AT.gdtr);
  image.set([0x0f, 0x02, ...u32(INTERRUPT_TABLE)], AT.idtr);
  return image;
}
