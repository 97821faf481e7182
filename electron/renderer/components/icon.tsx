import type { JSX } from "preact";

/** Paths in a 24x24 box, drawn with a 1.8 stroke in the text's colour. */
const PATHS = {
  workspaces: "M4 5h16v11H4zM9 20h6M12 16v4",
  hosts: "M5 4h14v6H5zM5 14h14v6H5zM8.5 7h.01M8.5 17h.01M12 7h4M12 17h4",
  history: "M4 12a8 8 0 1 0 2.6-5.9L4 8.5M4 4v4.5h4.5M12 8v4.5l3 1.8",
  home: "M4 11.5 12 4l8 7.5M6.5 9.5V20h11V9.5",
  arrow: "M4 12h15M13 6l6 6-6 6",
  play: "M7 4.5v15l12-7.5z",
  pause: "M8 5v14M16 5v14",
  screen: "M4 5h16v11H4zM9 20h6",
  more: "M5 11.5h1v1H5zM11.5 11.5h1v1h-1zM18 11.5h1v1h-1z",
  chevron: "M6 9l6 6 6-6",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
  power: "M12 3.5v8M7 6.5a7.5 7.5 0 1 0 10 0",
  eyeOff: "M4 4l16 16M9.9 5.3A9.6 9.6 0 0 1 12 5c5 0 8.5 4.5 9.5 7a13 13 0 0 1-2.7 3.9M6.4 6.9A13.6 13.6 0 0 0 2.5 12c1 2.5 4.5 7 9.5 7a9.3 9.3 0 0 0 4.7-1.3",
  warning: "M12 4 2.5 20h19zM12 10v4.5M12 17.2h.01",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  close: "M6 6l12 12M18 6 6 18",
  plus: "M12 5v14M5 12h14",
  up: "M12 19V6M6 11l6-6 6 6",
  folder: "M3.5 18.5v-13h6l2 2.5h9v10.5z",
  disk: "M5 4h14v16H5zM12 8.5a3 3 0 1 0 .01 0M8 17h2",
  keyboard: "M3 6.5h18v11H3zM6.5 10h.01M10 10h.01M13.5 10h.01M17 10h.01M7.5 14h9",
  paste: "M9 4.5h6v3H9zM9 6H6v14h12V6h-3M9 12h6M9 15.5h6",
  expand: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  back: "M20 12H5M11 6l-6 6 6 6",
  check: "M5 12.5l4.5 4.5L19 7",
} as const;

export type IconName = keyof typeof PATHS;

/** A picture beside words that say the same: screen readers skip it. */
export function Icon({ name }: { readonly name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
