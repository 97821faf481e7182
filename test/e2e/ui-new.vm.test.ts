import { copyFile, mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildGuest } from "../../guests/build.ts";
import { biosDisk } from "../images/bootable.ts";
import { eventually, removeHosts, TestHost } from "./migration-hosts.ts";
import { launchBrowser, lookAt, openUi, type UiPage } from "./ui-browser.ts";

let dir: string;
let images: string;
let host: TestHost;
let browser: Browser;
let tab: UiPage;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hw-ui-"));
  images = join(dir, "images");
  await mkdir(join(images, "older"), { recursive: true });
  const disk = join(images, "Debian 12.raw");
  await biosDisk(disk);
  await copyFile(disk, join(images, "older", "small.raw"));
  await writeFile(join(images, "broken.qcow2"), "this is no disk image");
  await writeFile(join(images, "notes.txt"), "not shown");
  host = new TestHost(dir, "near", "paired");
  [browser] = await Promise.all([launchBrowser(), host.start()]);
  tab = await openUi(browser, host);
});
afterAll(async () => {
  await browser.close();
  await removeHosts(dir, host);
});

function page(): Page {
  return tab.page;
}

describe("making a workspace of a disk image", () => {
  it("chooses it among the files of the service's host", async () => {
    await page().getByRole("link", { name: "Make a workspace" }).click();
    await page().getByRole("heading", { name: "New workspace" }).waitFor();
    await page().getByLabel("Disk image", { exact: true }).fill(join(images, "x"));
    await page().getByRole("button", { name: "Browse…" }).click();
    const dialog = page().getByRole("dialog", { name: "Choose a disk image on near" });
    await dialog.getByRole("button", { name: "broken.qcow2" }).waitFor();
    expect(await dialog.getByText("notes.txt").count()).toBe(0);
    await lookAt(page(), "new-chooser");
    await dialog.getByRole("button", { name: "older", exact: true }).click();
    await dialog.getByRole("button", { name: "small.raw" }).waitFor();
    await dialog.getByRole("button", { name: "One folder up" }).click();
    await dialog.getByRole("button", { name: "broken.qcow2" }).click();
    await dialog.waitFor({ state: "hidden" });
    expect(await page().getByLabel("Disk image", { exact: true }).inputValue()).toBe(join(images, "broken.qcow2"));
  });

  it("says in plain words why one cannot be taken in", async () => {
    await page().getByRole("button", { name: "Look at it" }).click();
    const alert = page().getByRole("alert").filter({ hasText: "broken.qcow2" });
    await alert.waitFor();
    await lookAt(page(), "new-refused");
    await page().getByLabel("Disk image", { exact: true }).fill("disk.raw");
    await page().getByText("A whole path is needed").waitFor();
    expect(await page().getByRole("button", { name: "Look at it" }).isDisabled()).toBe(true);
  });

  it("shows what was found, takes what is changed, and makes it", async () => {
    await page().getByLabel("Disk image", { exact: true }).fill(join(images, "Debian 12.raw"));
    await eventually("it is named after the image", async () => (await page().getByLabel("Name").inputValue()) === "debian-12");
    await page().getByRole("button", { name: "Look at it" }).click();
    await page().getByRole("heading", { name: "The machine it becomes" }).waitFor();
    expect(await page().getByLabel("Firmware").inputValue()).toBe("bios");
    const memory = page().getByLabel("Memory (GiB)");
    expect(await memory.inputValue()).toBe("2");
    await memory.fill("many");
    await page().getByText("A number above 0 is needed.").waitFor();
    await memory.fill("0.25");
    await page().getByLabel("Disk", { exact: true }).selectOption("ide");
    await page().getByText("You chose this").nth(1).waitFor();
    await lookAt(page(), "new-settings");
    await page().getByRole("button", { name: "Make the workspace" }).click();
    await page().getByText("debian-12 is there").waitFor();
    await lookAt(page(), "new-done");
    const { workspaces } = await host.call("status", {});
    expect(workspaces).toMatchObject([{ name: "debian-12", state: "off", memoryBytes: 2 ** 28 }]);
  });

  it("can be stopped, and nothing was made", async () => {
    await page().getByRole("button", { name: "Go to your workspaces" }).click();
    await page().getByRole("link", { name: "New workspace" }).click();
    await page().getByLabel("Disk image", { exact: true }).fill(join(images, "older", "small.raw"));
    await page().getByRole("button", { name: "Look at it" }).click();
    await page().getByRole("heading", { name: "The machine it becomes" }).waitFor();
    // A service that is slow enough for a person to change their mind.
    host.signal("SIGSTOP");
    await page().getByRole("button", { name: "Make the workspace" }).click();
    await page().getByText("Making small").waitFor();
    await lookAt(page(), "new-making");
    await page().getByRole("button", { name: "Cancel" }).click();
    host.signal("SIGCONT");
    await page().getByText("Stopped. Nothing was made.").waitFor();
    expect((await host.call("status", {})).workspaces.map(({ name }) => name)).toEqual(["debian-12"]);
  });
});

describe("making a workspace of a guest's folder", () => {
  it("can be done with the keyboard", async () => {
    const guest = await buildGuest("tiny");
    await page().goto(`${new URL(page().url()).origin}/#/new`);
    await page().getByLabel("A folder with a guest").focus();
    await page().keyboard.press("Space");
    await page().keyboard.press("Tab");
    await page().keyboard.type(guest.dir);
    await page().keyboard.press("Tab");
    await page().keyboard.press("Enter");
    await page().getByText("This folder holds a guest.").waitFor();
    await page().keyboard.press("Escape");
    await page().getByLabel("Name").focus();
    await page().keyboard.press("Control+A");
    await page().keyboard.type("debian-12");
    await page().getByText("There is a workspace named debian-12 already.").waitFor();
    await page().keyboard.press("Control+A");
    await page().keyboard.type("tiny");
    await page().keyboard.press("Enter");
    await page().getByText("tiny is there").waitFor();
    expect((await host.call("status", {})).workspaces.map(({ name }) => name).sort()).toEqual(["debian-12", "tiny"]);
    expect(tab.complaints).toEqual([]);
  });
});
