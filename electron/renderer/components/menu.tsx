import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { Icon, type IconName } from "./icon.tsx";

export interface MenuItem {
  readonly text: string;
  /** A second line, smaller. */
  readonly detail?: string;
  readonly icon?: IconName;
  readonly danger?: boolean;
  readonly onChoose: () => void;
}

export interface MenuProps {
  /** What the button opens, for screen readers. */
  readonly label: string;
  readonly icon: IconName;
  /** Classes of the button. */
  readonly buttonClass: string;
  readonly items: readonly MenuItem[];
  readonly disabled?: boolean;
}

/** A button with a list of things to do, after the ARIA menu button pattern: arrows, Home, End, Escape; Tab leaves it. */
export function Menu({ label, icon, buttonClass, items, disabled = false }: MenuProps): JSX.Element {
  const isOpen = useSignal(false);
  const id = useId();
  const root = useRef<HTMLDivElement>(null);
  const entries = (): HTMLElement[] => [...(root.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
  const close = (): void => {
    isOpen.value = false;
    root.current?.querySelector("button")?.focus();
  };
  useLayoutEffect(() => {
    if (isOpen.value) entries()[0]?.focus();
  }, [isOpen.value]);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (!isOpen.value) return;
    const all = entries();
    const at = all.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + all.length, Home: 0, End: all.length - 1 }[event.key];
    if (event.key === "Escape") close();
    else if (to !== undefined) all[to % all.length]?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div
      class="menu"
      ref={root}
      onKeyDown={onKeyDown}
      onFocusOut={(event) => {
        if (!(event.relatedTarget instanceof Node && root.current?.contains(event.relatedTarget) === true)) isOpen.value = false;
      }}
    >
      <button
        type="button"
        class={`button only-icon ${buttonClass}`}
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={isOpen.value}
        aria-controls={isOpen.value ? id : undefined}
        disabled={disabled}
        onClick={() => {
          isOpen.value = !isOpen.value;
        }}
      >
        <Icon name={icon} />
      </button>
      {isOpen.value ? (
        <div class="menu-list" role="menu" id={id} aria-label={label}>
          {items.map((item) => (
            <button
              key={item.text}
              type="button"
              role="menuitem"
              tabIndex={-1}
              class={`menu-item${item.danger === true ? " danger" : ""}`}
              onClick={() => {
                close();
                item.onChoose();
              }}
            >
              {item.icon === undefined ? null : <Icon name={item.icon} />}
              <span>
                {item.text}
                {item.detail === undefined ? null : <small>{item.detail}</small>}
              </span>
            </button>
          ))}
        </div>
      ) : null}
    </div>
  );
}
