/** What code asks for through Buffer and ArrayBuffer, counted by taking their place; a typed array of a length included. */
export class AllocationMeter {
  #largest = 0;

  /** Starts counting; for good, so only in a thread of its own. */
  constructor() {
    const seen = (bytes: unknown): void => {
      if (typeof bytes === "number" && bytes > this.#largest) this.#largest = bytes;
    };
    for (const name of ["alloc", "allocUnsafe", "allocUnsafeSlow"] as const) {
      const original = Buffer[name].bind(Buffer) as (...given: readonly unknown[]) => Buffer;
      const counted = (...given: readonly unknown[]): Buffer => {
        seen(given[0]);
        return original(...given);
      };
      Object.assign(Buffer, { [name]: counted });
    }
    for (const type of [ArrayBuffer, Uint8Array, Uint16Array, Uint32Array, Float64Array]) {
      const size = "BYTES_PER_ELEMENT" in type ? type.BYTES_PER_ELEMENT : 1;
      const proxy: unknown = new Proxy(type, {
        construct(target, given: unknown[], newTarget: object): object {
          if (typeof given[0] === "number") seen(given[0] * size);
          return Reflect.construct(target, given, newTarget === proxy ? target : (newTarget as typeof target)) as object;
        },
      });
      Object.assign(globalThis, { [type.name]: proxy });
    }
  }

  /** The largest single request since the last call, in bytes. */
  take(): number {
    const largest = this.#largest;
    this.#largest = 0;
    return largest;
  }
}
