/** Things to be closed together, the newest first, whatever happens to any of them. */
export class ClosingStack {
  readonly #open: { close(): Promise<void> }[] = [];

  /** Takes over the duty to close `resource`, and returns it. */
  add<T extends { close(): Promise<void> }>(resource: T): T {
    this.#open.push(resource);
    return resource;
  }

  /** Closes everything once; never throws, since what was read or written was checked before. */
  async close(): Promise<void> {
    for (const resource of this.#open.splice(0).reverse()) await resource.close().catch(() => undefined);
  }
}
