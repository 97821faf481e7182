import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Button } from "./components/button.tsx";
import { CommandLine } from "./components/command-line.tsx";
import { EmptyState } from "./components/empty-state.tsx";
import { Icon } from "./components/icon.tsx";
import { Notice } from "./components/notice.tsx";
import { Page } from "./components/page.tsx";
import { serviceProblem, serviceState, startService, status } from "./control/service.ts";
import { sessions } from "./control/session.ts";
import { pageOf, PAGES } from "./pages/pages.ts";
import { hrefOf, route } from "./router.ts";
import { texts } from "./texts/texts.ts";

function Navigation(): JSX.Element {
  // Pages that are reached from no other belong to the first, where workspaces are.
  const [first] = route.value;
  const section = PAGES.find(({ pattern, navigation }) => navigation !== null && pattern[0] === first)?.pattern[0] ?? PAGES[0]?.pattern[0];
  return (
    <nav class="navigation" aria-label={texts.shell.mainNavigation}>
      <div class="brand">
        <img src="/icon.svg" alt="" width="26" height="26" />
        <span>{texts.shell.appName}</span>
      </div>
      <ul>
        {PAGES.map(({ pattern, navigation }) =>
          navigation === null ? null : (
            <li key={navigation.text}>
              <a href={hrefOf(...pattern)} aria-current={pattern[0] !== section ? undefined : route.value.length < 2 && (first ?? section) === section ? "page" : "true"}>
                <Icon name={navigation.icon} />
                {navigation.text}
              </a>
            </li>
          ),
        )}
      </ul>
      <div class="navigation-foot">
        {status.value === null ? null : <strong title={texts.shell.thisHost(status.value.host)}>{status.value.host}</strong>}
        <span class={`service-state ${serviceState.value.replace(" ", "-")}`} role="status">
          {texts.shell.service[serviceState.value]}
        </span>
      </div>
    </nav>
  );
}

/** Shown above every page while there is no service. */
function Lost(): JSX.Element {
  const problem = serviceProblem.value;
  return (
    <Notice kind="warning">
      {problem === null ? texts.shell.lostBanner : [problem.message, problem.hint].filter(Boolean).join(". ")}
      {sessions.canStart ? <Button onClick={startService}>{texts.shell.startService}</Button> : null}
    </Notice>
  );
}

function ShutOut(): JSX.Element {
  return (
    <Page title={texts.shell.appName}>
      <EmptyState icon="home" title={texts.shell.shutOutTitle}>
        <p>{texts.shell.shutOutText}</p>
        <p>{texts.shell.shutOutHint}</p>
        <CommandLine command="homeward ui" />
      </EmptyState>
    </Page>
  );
}

function NotFound(): JSX.Element {
  return (
    <Page title={texts.shell.appName}>
      <EmptyState icon="home" title={texts.shell.notFoundTitle}>
        <p>
          <a href={hrefOf()}>{texts.shell.backToWorkspaces}</a>
        </p>
      </EmptyState>
    </Page>
  );
}

function Content(): JSX.Element {
  if (serviceState.value === "shut out") return <ShutOut />;
  const found = pageOf(route.value);
  if (found === null) return <NotFound />;
  const { component: Component } = found.page;
  return <Component key={route.value.join("/")} parameters={found.parameters} />;
}

export function App(): JSX.Element {
  const main = useRef<HTMLElement>(null);
  const at = route.value.join("/");
  const before = useRef(at);
  useEffect(() => {
    // Another page is read from its beginning, also by screen readers; the first one as the browser likes.
    if (before.current !== at) main.current?.focus();
    before.current = at;
  }, [at]);
  return (
    <div class="app">
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        {texts.shell.skipToContent}
      </a>
      <Navigation />
      <main ref={main} id="main" tabIndex={-1}>
        {serviceState.value === "lost" ? <Lost /> : null}
        <Content />
      </main>
    </div>
  );
}
