import { DISCARD_OPTIONS, KERNEL_WORDS } from "../prepare/switches.ts";
import type { GuestDefinition, GuestName } from "./definition.ts";

/** What a guest is made of. Everything in a recipe is part of its fingerprint: a change gives a new guest. */
export interface Recipe {
  readonly name: GuestName;
  readonly description: string;
  readonly memoryMiB: number;
  readonly cpus: number;
  readonly diskBytes: number;
  readonly display: GuestDefinition["display"];
  /** Kernel command line. */
  readonly append: string;
  /** Drivers that the initrd loads, dependencies not listed. */
  readonly modules: readonly string[];
  /** Debian packages installed into the root file system; none for a guest that is busybox only. */
  readonly packages: readonly string[];
  /** dpkg patterns of files that are not unpacked. */
  readonly pathExcludes: readonly string[];
  /** Fixed identity of the root file system, so that two builds differ as little as possible. */
  readonly filesystemUuid: string;
}

const MIB = 1_048_576;

/** The disk, the network, the tablet, the power button and the balloon of the machine that Homeward builds. */
const MODULES = [
  "virtio_pci",
  "virtio_blk",
  // ext4 asks for it by algorithm name, which is not in its list of dependencies.
  "crc32c_generic",
  "ext4",
  "virtio_net",
  "virtio_balloon",
  "evdev",
  "button",
  "xhci_pci",
  "usbhid",
  "hid_generic",
] as const;

/** Words on both kernel command lines. */
const APPEND = [
  "root=/dev/vda",
  // What is deleted in the guest must not stay on the disk; and it should get there soon after it was written.
  `rootflags=${DISCARD_OPTIONS.join(",")}`,
  // Two runs of the same input should leave the same memory: no address-space randomisation, no huge pages whose
  // forming depends on timing.
  KERNEL_WORDS["fixed-addresses"],
  KERNEL_WORDS["no-huge-pages"],
  // Memory that was given back holds no remains that would differ and would have to be carried: it reads as zero.
  KERNEL_WORDS["init-on-free"],
  // A picture that stands still, and that nobody but the user changes.
  "quiet",
  "loglevel=3",
  "consoleblank=0",
  "console=tty0",
  // No address of its own choice, no router solicitations.
  "ipv6.disable=1",
  "net.ifnames=0",
  // Software emulation needs none of these, and each costs boot time.
  "mitigations=off",
  "nowatchdog",
  "audit=0",
] as const;

/** A console with the kernel's own software cursor: the VGA hardware cursor blinks (vga-softcursor.rst). */
const STILL_CURSOR = "vt.cur_default=0x400011";

const DESKTOP_PACKAGES = [
  "systemd-sysv",
  "udev",
  "procps",
  "xserver-xorg-core",
  "xserver-xorg-input-libinput",
  "xserver-xorg-video-fbdev",
  "x11-xserver-utils",
  "xinit",
  "openbox",
  "xterm",
  "mousepad",
  // Preloaded into the desktop; see desktop.service.
  "libjemalloc2",
  "pcmanfm",
  "galculator",
  "fonts-dejavu-core",
  "gcc",
  "libc6-dev",
  "make",
  "git",
  "wget",
  "netcat-openbsd",
  "xz-utils",
  "bzip2",
  "patch",
  "file",
  "less",
  "nano",
] as const;

/** Nobody reads these in a guest, or they belong to libraries that packages name but nothing here opens (GL, PDF). */
const DESKTOP_PATH_EXCLUDES = [
  "/usr/share/doc/*",
  "/usr/share/man/*",
  "/usr/share/info/*",
  "/usr/share/locale/*",
  "/usr/share/poppler/*",
  "/usr/share/fonts/type1/*",
  "/usr/share/fonts/X11/Type1/*",
  "/usr/share/icons/Adwaita/cursors/*",
  "/usr/lib/udev/hwdb.d/*",
  "/usr/lib/gcc/x86_64-linux-gnu/12/lto1",
  "/usr/lib/gcc/x86_64-linux-gnu/12/*san.a",
  "/usr/bin/x86_64-linux-gnu-lto-dump-12",
  "/usr/lib/x86_64-linux-gnu/libLLVM*",
  "/usr/lib/x86_64-linux-gnu/dri/*",
  "/usr/lib/x86_64-linux-gnu/libz3.so*",
  "/usr/lib/x86_64-linux-gnu/libgs.so*",
  "/usr/lib/x86_64-linux-gnu/libx265.so*",
  "/usr/lib/x86_64-linux-gnu/lib*san.so*",
] as const;

export const RECIPES: Readonly<Record<GuestName, Recipe>> = {
  tiny: {
    name: "tiny",
    description: "busybox shell on a text console, for tests",
    memoryMiB: 128,
    cpus: 1,
    diskBytes: 64 * MIB,
    display: { width: 720, height: 400 },
    append: [...APPEND, STILL_CURSOR].join(" "),
    modules: MODULES,
    packages: [],
    pathExcludes: [],
    filesystemUuid: "6a1f7e0c-5d0b-4a53-9c1e-0d5f3a7b2c41",
  },
  desktop: {
    name: "desktop",
    description: "Debian 12 with openbox, a terminal, an editor, a file manager, a calculator and a compiler",
    memoryMiB: 512,
    cpus: 1,
    diskBytes: 3072 * MIB,
    display: { width: 1024, height: 768 },
    // VESA mode 0x144 + 0x200 is 1024x768 with 32 bits per pixel: one framebuffer from the first line of the kernel on.
    append: [...APPEND, "vga=0x344"].join(" "),
    modules: MODULES,
    packages: DESKTOP_PACKAGES,
    pathExcludes: DESKTOP_PATH_EXCLUDES,
    filesystemUuid: "b3c9d2e4-70f1-4f0e-8a86-5e2b9c0d1f72",
  },
};
