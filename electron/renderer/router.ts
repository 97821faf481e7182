import { computed, signal } from "@preact/signals";

/** Which page is shown: the URL's fragment, `#/hosts`. Nothing of it is ever sent to the service. */
const path = signal(currentPath());

function currentPath(): string {
  const { hash } = location;
  return hash.startsWith("#/") ? hash.slice(1) : "/";
}

addEventListener("hashchange", () => {
  path.value = currentPath();
});

/** Parts of the path, decoded: `#/hosts/pair/ID` is ["hosts", "pair", "ID"]. */
export const route = computed(() =>
  path.value
    .split("/")
    .filter((part) => part !== "")
    .map(decodeURIComponent),
);

/** For a link's `href`. */
export function hrefOf(...parts: readonly string[]): string {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

export function goTo(...parts: readonly string[]): void {
  location.hash = hrefOf(...parts);
}
