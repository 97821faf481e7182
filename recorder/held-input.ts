/** A key as it was pressed; `keycode` 0 if only the keysym is known. */
export interface HeldKey {
  readonly keysym: number;
  readonly keycode: number;
}

interface PointerState {
  readonly x: number;
  readonly y: number;
  readonly buttons: number;
}

/**
 * Which keys and buttons the viewers hold. QEMU has one keyboard for all viewers but remembers the buttons of each. The log
 * knows no viewers, so what they do is merged here into one keyboard and one pointer.
 */
export class HeldInput {
  readonly #keys = new Map<string, HeldKey & { readonly holders: Set<object> }>();
  readonly #pointers = new Map<object, PointerState>();

  /** A release counts for all who hold the key: the guest's keyboard has it once. */
  key(viewer: object, down: boolean, keysym: number, keycode: number): void {
    const id = keycode === 0 ? `keysym ${keysym}` : `keycode ${keycode}`;
    const holders = this.#keys.get(id)?.holders ?? new Set();
    if (down) this.#keys.set(id, { keysym, keycode, holders: holders.add(viewer) });
    else this.#keys.delete(id);
  }

  /** @returns the buttons that the guest now sees pressed: those of all viewers together */
  pointer(viewer: object, x: number, y: number, buttons: number): number {
    this.#pointers.set(viewer, { x, y, buttons });
    return this.#allButtons();
  }

  /** The keys that this viewer alone holds; they count as released from now on. */
  releaseKeys(viewer: object): HeldKey[] {
    const released: HeldKey[] = [];
    for (const [id, { keysym, keycode, holders }] of this.#keys) {
      if (!holders.delete(viewer) || holders.size > 0) continue;
      released.push({ keysym, keycode });
      this.#keys.delete(id);
    }
    return released;
  }

  /**
   * Forgets the buttons of one viewer.
   * @returns where its pointer was, if it held any, and the buttons that others still hold
   */
  releaseButtons(viewer: object): PointerState | undefined {
    const last = this.#pointers.get(viewer);
    this.#pointers.delete(viewer);
    return last === undefined || last.buttons === 0 ? undefined : { ...last, buttons: this.#allButtons() };
  }

  #allButtons(): number {
    let buttons = 0;
    for (const pointer of this.#pointers.values()) buttons |= pointer.buttons;
    return buttons;
  }
}
