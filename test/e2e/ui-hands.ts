import type { Locator, Page } from "playwright-core";

/** How a person does something on a page; names are those that screen readers read out, or their beginning. */
export interface Hands {
  /** Presses a button or follows a link. */
  press(page: Page, name: string): Promise<void>;
  /** Chooses one of several round buttons. */
  choose(page: Page, name: string): Promise<void>;
  /** Writes into a field, in the place of what it holds. */
  write(page: Page, field: string, text: string): Promise<void>;
  /** Turns to the machine's screen, so that it gets what is typed. */
  enterScreen(page: Page): Promise<void>;
  leaveScreen(page: Page): Promise<void>;
}

function named(page: Page, name: string): Locator {
  const options = { name: new RegExp(`^${name.replaceAll(/[^\w ]/g, "\\$&")}`) };
  return page.getByRole("link", options).or(page.getByRole("button", options)).first();
}

/** Everything by clicks; only text is typed. */
export const MOUSE: Hands = {
  press: (page, name) => named(page, name).click(),
  choose: (page, name) => page.getByRole("radio", { name }).click(),
  async write(page, field, text) {
    await page.getByRole("textbox", { name: field, exact: true }).click({ clickCount: 3 });
    await page.keyboard.insertText(text);
  },
  enterScreen: (page) => page.getByRole("application").click(),
  leaveScreen: () => Promise.resolve(),
};

/** What has the focus: everything that could be its name, one a line, and those of the round buttons that go with it. */
const FOCUSED = `(() => {
  const namesOf = (at) => [at?.ariaLabel, at?.textContent, at?.closest("label")?.textContent, at?.labels?.[0]?.textContent];
  const at = document.activeElement;
  const group = at?.type === "radio" ? [...document.getElementsByName(at.name)].flatMap(namesOf) : [];
  const lines = (names) => names.filter(Boolean).map((name) => name.trim()).join("\\n");
  return { names: lines(namesOf(at)), group: lines(group) };
})()`;

async function focused(page: Page): Promise<{ names: string[]; group: string[] }> {
  const { names, group } = await page.evaluate<{ names: string; group: string }>(FOCUSED);
  return { names: names.split("\n"), group: group.split("\n") };
}

/** Goes on with a key until `isThere`, as a person does who sees where the focus is. */
async function goOn(page: Page, key: string, what: string, isThere: (at: Awaited<ReturnType<typeof focused>>) => boolean): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    if (isThere(await focused(page))) return;
    await page.keyboard.press(key);
  }
  throw new Error(`the keyboard does not lead to ${what}`);
}

/** Goes on with Tab until what is focused has that name. */
export function tabTo(page: Page, name: string): Promise<void> {
  return goOn(page, "Tab", name, ({ names }) => names.some((each) => each.startsWith(name)));
}

/** Everything by keys. */
export const KEYBOARD: Hands = {
  async press(page, name) {
    await named(page, name).waitFor();
    await tabTo(page, name);
    await page.keyboard.press("Enter");
  },
  async choose(page, name) {
    await page.getByRole("radio", { name }).waitFor();
    await goOn(page, "Tab", name, ({ group }) => group.includes(name));
    await goOn(page, "ArrowDown", name, ({ names }) => names.includes(name));
  },
  async write(page, field, text) {
    await page.getByRole("textbox", { name: field, exact: true }).waitFor();
    await tabTo(page, field);
    await page.keyboard.press("Control+A");
    await page.keyboard.insertText(text);
  },
  enterScreen: (page) => tabTo(page, "Screen and keyboard of"),
  leaveScreen: (page) => page.keyboard.press("Control+Alt+Shift+F11"),
};

/** What was done with mouse and keys in a tab from now on: kinds of events, and where; what goes into fields and the screen is left out. */
export async function watchHands(page: Page): Promise<() => Promise<string[]>> {
  await page.evaluate(`(() => {
    window.handsSeen = [];
    const note = (event) => {
      const at = event.target;
      const isText = event.type === "keydown" && (at.matches?.("input[type=text], textarea, canvas") ?? false);
      if (event.isTrusted && !isText) window.handsSeen.push(event.type);
    };
    for (const type of ["pointerdown", "wheel", "keydown"]) window.addEventListener(type, note, { capture: true, passive: true });
  })()`);
  return async () => [...new Set(await page.evaluate<string[]>("window.handsSeen"))];
}
