/**
 * What can be changed in a guest so that two runs of the same input leave the same memory and disk. The desktop guest of
 * guests/ is built with all of them; test/unit/prepare.test.ts compares.
 */

export interface Gain {
  /** Figures that were measured. */
  readonly text: string;
  /** Where they are from. */
  readonly from: string;
}

export interface Switch {
  readonly name: string;
  /** What it does and why, in one or two sentences. */
  readonly what: string;
  /** What is given up; null where nothing is. */
  readonly trades: string | null;
  /** Null: not measured by itself. */
  readonly gain: Gain | null;
  /** Applied when no switch is named. What weakens security or loses something that is wanted is not. */
  readonly byDefault: boolean;
  /** Lines of shell that apply it, with the functions of functions.sh. */
  readonly apply: string;
  /** Commands in a running guest after it was applied or undone. */
  readonly afterwards: readonly string[];
}

export const JEMALLOC = "narenas:1,dirty_decay_ms:0,muzzy_decay_ms:0";

/** Words of the kernel's command line, by switch. */
export const KERNEL_WORDS = {
  "fixed-addresses": "norandmaps",
  "no-huge-pages": "transparent_hugepage=never",
  "init-on-free": "init_on_free=1",
} as const;

export const DISCARD_OPTIONS = ["discard", "noatime", "commit=5"] as const;

export const SETTLE_WRITES = `# Written data reaches the disk within seconds, so that a suspended disk is a settled one.
vm.dirty_expire_centisecs = 300
vm.dirty_writeback_centisecs = 100
`;

export const QUIET_LOG = `# A log would change memory and disk without the user doing anything.
[Journal]
Storage=none
ForwardToSyslog=no
`;

/** Timers that nobody waits for. */
export const QUIET_UNITS = [
  "dpkg-db-backup.timer",
  "e2scrub_all.timer",
  "e2scrub_reap.service",
  "fstrim.timer",
  "logrotate.timer",
  "man-db.timer",
  "systemd-tmpfiles-clean.timer",
] as const;
export const UPDATE_UNITS = ["apt-daily.timer", "apt-daily-upgrade.timer"] as const;

/** Languages that an editor still knows, by the names of their files. */
export const SYNTAX_KEPT = ["def", "c", "chdr", "makefile", "sh", "diff", "html", "css", "javascript", "json", "xml", "python", "markdown", "ini"] as const;

export const STILL_CURSOR = "[Settings]\ngtk-cursor-blink=0\ngtk-enable-animations=0\n";

const DOCUMENT = 'docs/experiments.md, "What the switches gain"';

function put(path: string, content: string): string {
  return `put ${path} <<'END'\n${content}END`;
}

function masks(units: readonly string[]): string {
  return `for unit in ${units.join(" ")}; do mask "$unit"; done`;
}

export const SWITCHES: readonly Switch[] = [
  {
    name: "jemalloc",
    what: "Programs of the desktop get memory from jemalloc: glibc's allocator writes a random number into each freed chunk, and one chunk of another size moves all later ones.",
    trades: "More system calls; what memory it saves or takes depends on the program.",
    gain: { text: "with fewer-syntax-files: an office session went from 2.4 to 2.9 MB to 1.3 MB", from: "docs/guests.md" },
    byDefault: true,
    apply: `if ! ls "$root"/usr/lib/*/libjemalloc.so.2 >/dev/null 2>&1; then
  say "skipped: the package libjemalloc2 is not installed"
elif [ ! -d "$root/etc/X11/Xsession.d" ]; then
  say "skipped: there is no desktop with X here"
else
  put /etc/X11/Xsession.d/15homeward-jemalloc <<'END'
export LD_PRELOAD=libjemalloc.so.2 MALLOC_CONF=${JEMALLOC}
END
  put /etc/environment.d/90-homeward-jemalloc.conf <<'END'
LD_PRELOAD=libjemalloc.so.2
MALLOC_CONF=${JEMALLOC}
END
fi`,
    afterwards: [],
  },
  {
    name: "fewer-syntax-files",
    what: "GTK's editors keep the languages that there is a use for: they read all 150 at their start, into 12 MB of heap that is laid out differently in every run.",
    trades: "Highlighting of the other languages.",
    gain: { text: "with jemalloc: an office session went from 2.4 to 2.9 MB to 1.3 MB", from: "docs/guests.md" },
    byDefault: true,
    apply: `found=0
hidden=0
for path in "$root"/usr/share/gtksourceview-*/language-specs/*.lang; do
  [ -e "$path" ] || continue
  found=1
  case \${path##*/} in
    ${SYNTAX_KEPT.map((name) => `${name}.lang`).join(" | ")}) ;;
    *)
      hide "\${path#"$root"}"
      hidden=$((hidden + 1))
      ;;
  esac
done
if [ "$found" = 0 ]; then say "skipped: no editor here has such files"; else say "took $hidden files away"; fi`,
    afterwards: [],
  },
  {
    name: "discard",
    what: "The root file system tells the disk which blocks are free, notes no times of reading, and settles every 5 seconds: what was deleted is not moved.",
    trades: null,
    gain: { text: "in a session of archives, blocks of deleted files cost 10 MB without", from: DOCUMENT },
    byDefault: true,
    apply: `if grep -q '^[^#[:space:]]*[[:space:]]*/[[:space:]]*ext4[[:space:]]' "$root/etc/fstab" 2>/dev/null; then
  awk '$1 !~ /^#/ && $2 == "/" && $3 == "ext4" {
    count = split("${DISCARD_OPTIONS.join(" ")}", wanted, " ")
    options = "," $4 ","
    while (sub(/,(relatime|strictatime|nodiscard|commit=[0-9]+),/, ",", options)) continue
    for (i = 1; i <= count; i++) if (index(options, "," wanted[i] ",") == 0) options = options wanted[i] ","
    $4 = substr(options, 2, length(options) - 2)
  } { print }' "$root/etc/fstab" >"$kept/fstab"
  put /etc/fstab <"$kept/fstab"
  rm -f "$kept/fstab"
else
  say "skipped: /etc/fstab names no ext4 root file system"
fi`,
    afterwards: [],
  },
  {
    name: "settle-writes",
    what: "Written data goes to the disk within seconds, so that a suspended disk is a settled one.",
    trades: "More small writes.",
    gain: null,
    byDefault: true,
    apply: put("/etc/sysctl.d/homeward-settle-writes.conf", SETTLE_WRITES),
    afterwards: ["sysctl --system"],
  },
  {
    name: "init-on-free",
    what: "The kernel clears memory that was given back: no remains that differ.",
    trades: "Some processor time. It makes the guest safer, not less safe.",
    gain: { text: "a light session, with caches dropped at suspend as well: 1.59 to 1.38 MB", from: DOCUMENT },
    byDefault: true,
    apply: `kernel_words ${KERNEL_WORDS["init-on-free"]}`,
    afterwards: ["update-grub"],
  },
  {
    name: "no-huge-pages",
    what: "No transparent huge pages: whether they form depends on timing.",
    trades: "Some speed of programs with much memory.",
    gain: null,
    byDefault: true,
    apply: `kernel_words ${KERNEL_WORDS["no-huge-pages"]}`,
    afterwards: ["update-grub"],
  },
  {
    name: "still-cursor",
    what: "No blinking cursors and no animations in GTK's programs: nothing changes that the user did not change.",
    trades: null,
    gain: null,
    byDefault: true,
    apply: `if [ -f "$root/etc/gtk-3.0/settings.ini" ] && [ ! -d "$state" ]; then
  say "skipped: /etc/gtk-3.0/settings.ini is there; add gtk-cursor-blink=0 and gtk-enable-animations=0 to it"
else
  ${put("/etc/gtk-3.0/settings.ini", STILL_CURSOR)}
fi`,
    afterwards: [],
  },
  {
    name: "quiet-services",
    what: "Timers that do housekeeping at some hour do not run: what they do in one run they do not in the other.",
    trades: "The manual's index, old files in /tmp and log files are no longer looked after; start the units by hand.",
    gain: null,
    byDefault: true,
    apply: masks(QUIET_UNITS),
    afterwards: ["systemctl daemon-reload"],
  },
  {
    name: "quiet-log",
    what: "The system keeps no log, which would change memory and disk without the user doing anything.",
    trades: "THE LOG: what went wrong, and who got in, cannot be read afterwards.",
    gain: null,
    byDefault: false,
    apply: `if [ -d "$root/etc/systemd" ]; then
  ${put("/etc/systemd/journald.conf.d/homeward-quiet-log.conf", QUIET_LOG)}
else
  say "skipped: there is no systemd here"
fi`,
    afterwards: ["systemctl restart systemd-journald"],
  },
  {
    name: "no-updates",
    what: "Packages are not looked for and installed at some hour.",
    trades: "SECURITY: updates have to be installed by hand, and soon.",
    gain: null,
    byDefault: false,
    apply: masks(UPDATE_UNITS),
    afterwards: ["systemctl daemon-reload"],
  },
  {
    name: "fixed-addresses",
    what: "Programs lie at the same addresses in every run, so that pages with pointers in them are equal.",
    trades: "SECURITY: address-space randomisation, a hurdle for attackers inside the guest.",
    gain: { text: "a session of shell work, editor and archives, replayed: 5.2 to 2.4 MB", from: DOCUMENT },
    byDefault: false,
    apply: `kernel_words ${KERNEL_WORDS["fixed-addresses"]}`,
    afterwards: ["update-grub"],
  },
];
