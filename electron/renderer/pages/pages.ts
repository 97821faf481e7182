import type { ComponentType } from "preact";
import type { IconName } from "../components/icon.tsx";
import { texts } from "../texts/texts.ts";
import { ConsolePage } from "./console/console-page.tsx";
import { HistoryPage } from "./history/history-page.tsx";
import { ReportPage } from "./history/report-page.tsx";
import { HostsPage } from "./hosts/hosts-page.tsx";
import { PairPage } from "./hosts/pair-page.tsx";
import { NewPage } from "./new/new-page.tsx";
import { MovePage } from "./move/move-page.tsx";
import { WorkspacesPage } from "./workspaces/workspaces-page.tsx";

/** What a page gets: the parts of the route that its pattern leaves open, in their order. */
export interface PageParameters {
  readonly parameters: readonly string[];
}

export interface PageDefinition {
  /** Parts of the route; ":" stands for any. */
  readonly pattern: readonly string[];
  readonly component: ComponentType<PageParameters>;
  /** In the navigation; null for a page that is reached from another, which is then marked there by its first part. */
  readonly navigation: { readonly text: string; readonly icon: IconName } | null;
}

/** Every page. A new one is a folder here, a line in this list, and its texts. The first is where one begins. */
export const PAGES: readonly PageDefinition[] = [
  { pattern: ["workspaces"], component: WorkspacesPage, navigation: { text: texts.workspaces.title, icon: "workspaces" } },
  { pattern: ["new"], component: NewPage, navigation: null },
  { pattern: ["hosts"], component: HostsPage, navigation: { text: texts.hosts.title, icon: "hosts" } },
  { pattern: ["hosts", "pair"], component: PairPage, navigation: null },
  { pattern: ["hosts", "pair", ":"], component: PairPage, navigation: null },
  { pattern: ["history"], component: HistoryPage, navigation: { text: texts.history.title, icon: "history" } },
  { pattern: ["history", ":"], component: ReportPage, navigation: null },
  { pattern: ["console", ":"], component: ConsolePage, navigation: null },
  { pattern: ["move", ":"], component: MovePage, navigation: null },
];

/** The page of a route and what its pattern leaves open; null if there is none. */
export function pageOf(route: readonly string[]): { readonly page: PageDefinition; readonly parameters: readonly string[] } | null {
  const parts = route.length === 0 ? (PAGES[0]?.pattern ?? []) : route;
  const page = PAGES.find(
    ({ pattern }) => pattern.length === parts.length && pattern.every((part, i) => part === ":" || part === parts[i]),
  );
  return page === undefined ? null : { page, parameters: parts.filter((_, i) => page.pattern[i] === ":") };
}
