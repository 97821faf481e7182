import { HomewardError, toHomewardError } from "../../common/errors.ts";
import type { Progress } from "../../common/progress.ts";
import type { PushResult } from "../../protocol/control.ts";
import { decodeMessage, type Message } from "../../protocol/wire/messages.ts";
import type { ServiceContext } from "../context.ts";
import { LinkRate } from "../migration/link-rate.ts";
import type { PeerLink } from "../migration/peer-link.ts";
import { unexpected } from "../migration/unexpected.ts";
import type { GenerationRecord } from "../store/generations-store.ts";
import { sendableBase, sendDifference } from "./difference.ts";
import { generationFiles, type OutgoingFile } from "./generation-files.ts";
import { Pace, relayRsync } from "./rsync-relay.ts";
import { startSender } from "./rsync-process.ts";

/** A host that finds a file wrong asks for it again, and again after a cut that only it has noticed. */
const MAX_ASKED = 3;
const MBIT = 1e6;

export interface OutgoingPushOptions {
  readonly link: PeerLink;
  readonly workspace: string;
  readonly generation: GenerationRecord;
  readonly bytesPerSecond: number | null;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/**
 * zstd level for rsync, null for none: compressing must not take longer than sending. An unknown rate is that of the first
 * and small files.
 */
export function pushLevel(bitsPerSecond: number | null): number | null {
  if (bitsPerSecond === null) return 3;
  if (bitsPerSecond === Infinity) return null;
  if (bitsPerSecond >= 100 * MBIT) return 3;
  return bitsPerSecond >= 20 * MBIT ? 6 : 12;
}

/** Lays one generation down on the host at the other end of a link, which asks for its files. */
export class OutgoingPush {
  readonly #ctx: ServiceContext;
  readonly #options: OutgoingPushOptions;
  readonly #rate: LinkRate;
  readonly #pace: Pace | null;
  readonly #asked = new Map<string, number>();
  /** Bytes of the files that are over with. */
  #done = 0;
  #landed = 0;
  /** The generation before, while the other host may have it too. */
  #base: GenerationRecord | null = null;
  #isDifference = false;

  constructor(ctx: ServiceContext, options: OutgoingPushOptions) {
    this.#ctx = ctx;
    this.#options = options;
    this.#rate = new LinkRate(options.link);
    this.#pace = options.bytesPerSecond === null ? null : new Pace(options.bytesPerSecond);
  }

  /** @throws what the other host refuses it with; CANCELLED, PEER: what landed stays there to be gone on with */
  async run(): Promise<PushResult> {
    const { link, workspace, generation, progress } = this.#options;
    const startedMs = performance.now();
    const files = await generationFiles(this.#ctx.store, generation);
    link.onProgress = (update) => {
      progress.update(update);
    };
    // A limit is kept by what goes through rsync.
    this.#base = this.#options.bytesPerSecond === null ? await sendableBase(this.#ctx, generation, this.#options) : null;
    await link.send("push", {
      workspace,
      difference: this.#base !== null,
      manifest: generation.manifest,
      files: files.map(({ name, bytes, allocated }) => ({ name, bytes, allocated })),
    });
    const pushed = await this.#serve(files);
    if (pushed.root !== generation.root)
      throw new HomewardError("PEER", `${link.peer} took another generation than the one that was pushed`);
    const bytes = allocatedBytes(files);
    // What was not asked for had landed whole.
    const whole = this.#isDifference ? 0 : allocatedBytes(files.filter(({ name }) => !this.#asked.has(name)));
    return {
      workspace,
      peer: link.peer,
      root: pushed.root,
      held: pushed.held,
      bytes,
      landedBytes: Math.min(bytes, whole + this.#landed),
      linkBytes: link.bytes.total,
      seconds: (performance.now() - startedMs) / 1000,
    };
  }

  /** Sends what is asked for until the other host has it all. */
  async #serve(files: readonly OutgoingFile[]): Promise<Message<"pushed">> {
    const { link } = this.#options;
    for (;;) {
      const frame = await link.receive();
      if (frame.name === "pushed") return decodeMessage("pushed", frame.payload);
      if (frame.name === "accept" && this.#base !== null && this.#asked.size === 0) {
        await this.#sendDifference(this.#base);
        continue;
      }
      if (frame.name !== "pushWant") throw unexpected(frame.name, "pushed", link.peer);
      const { name, landed } = decodeMessage("pushWant", frame.payload);
      const file = files.find((each) => each.name === name);
      const asked = (this.#asked.get(name) ?? 0) + 1;
      this.#asked.set(name, asked);
      if (file === undefined || asked > MAX_ASKED)
        throw new HomewardError("PEER", `${link.peer} asked for ${name}, which ${file === undefined ? "is no file of this generation" : "it got before"}`);
      if (asked === 1) this.#landed += Math.min(landed, file.allocated);
      await this.#sendFile(file, files);
    }
  }

  async #sendDifference(base: GenerationRecord): Promise<void> {
    this.#base = null;
    this.#isDifference = true;
    await sendDifference(this.#ctx, this.#options.generation, base, this.#options);
  }

  async #sendFile(file: OutgoingFile, files: readonly OutgoingFile[]): Promise<void> {
    const { link, signal, progress, bytesPerSecond } = this.#options;
    const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    const before = this.#done;
    const measured = this.#rate.bitsPerSecond;
    const level = pushLevel(bytesPerSecond === null ? measured : Math.min(measured ?? Infinity, bytesPerSecond * 8));
    await link.send("pushStart", { compress: level !== null });
    const rsync = await startSender(file, level, (bytes) => {
      progress.update({ phase: "push", done: Math.min(total, before + bytes), total, unit: "bytes" });
    });
    await relayRsync(link, rsync, {
      fileBytes: file.bytes,
      signal,
      ...(this.#pace === null ? {} : { pace: this.#pace }),
      onSent: (bytes, startedMs) => {
        this.#rate.note(bytes, startedMs);
      },
    });
    this.#done = Math.min(total, before + file.bytes);
    progress.update({ phase: "push", done: this.#done, total, unit: "bytes" });
  }
}

/** What the files take on disk, holes left out. */
export function allocatedBytes(files: readonly { readonly allocated: number }[]): number {
  return files.reduce((sum, { allocated }) => sum + allocated, 0);
}

/** A generation that was cut off is there to be gone on with; whoever is told of a failure wants to know. */
export function resumable(thrown: unknown, workspace: string, peer: string): HomewardError {
  const { code, message, hint, data } = toHomewardError(thrown);
  if (code !== "PEER" && code !== "CANCELLED" && code !== "TIMEOUT" && code !== "NO_ROOM") return toHomewardError(thrown);
  const again = `"homeward push ${workspace} ${peer}" goes on where this stopped.`;
  return new HomewardError(code, message, { hint: hint === undefined ? again : `${hint} ${again}`, cause: thrown, data });
}
