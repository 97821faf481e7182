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
 * Which keys and buttons the viewers hold. QEMU has one keyboard for all viewers but remembers the buttons of each, and
 * when any viewer leaves it releases every key (ui/vnc.c, vnc_disconnect_finish) but no button. The log knows no
 * viewers, so what they do is merged here into one keyboard and one pointer.
 */
export class HeldInput {
  readonly #keys = new Map<string, HeldKey>();
  readonly #pointers = new Map<object, PointerState>();

  key(down: boolean, keysym: number, keycode: number): void {
    const id = keycode === 0 ? `keysym ${keysym}` : `keycode ${keycode}`;
    if (down) this.#keys.set(id, { keysym, keycode });
    else this.#keys.delete(id);
  }

  /** @returns the buttons that the guest now sees pressed: those of all viewers together */
  pointer(viewer: object, x: number, y: number, buttons: number): number {
    this.#pointers.set(viewer, { x, y, buttons });
    return this.#allButtons();
  }

  /** The keys to release; they count as released from now on. */
  releaseKeys(): HeldKey[] {
    const keys = [...this.#keys.values()];
    this.#keys.clear();
    return keys;
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
