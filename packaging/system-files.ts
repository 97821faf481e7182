import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { bashCompletion } from "../cli/completion/bash.ts";
import { fishCompletion } from "../cli/completion/fish.ts";
import { describeProgram } from "../cli/completion/grammar.ts";
import { zshCompletion } from "../cli/completion/zsh.ts";
import { buildProgram } from "../cli/program.ts";
import { packagingFile } from "./deb.ts";
import { manualPage } from "./manual.ts";

/** The command line, only to be asked what it is made of. */
function program(): Command {
  const nowhere = { stdout: () => undefined, stderr: process.stderr, env: {}, signal: new AbortController().signal };
  return buildProgram(nowhere, () => Promise.resolve());
}

/**
 * What a system wants of a package besides its programs, by path from the root: manual page, completion for shells, menu
 * entry, icons, the service for systemd --user, licence, and what has changed. Files that end in .gz are not packed yet.
 * @param root the repository
 * @param date of the manual page, such as 2026-01-31
 */
export async function systemFiles(root: string, date: string): Promise<Map<string, string | Buffer>> {
  const shape = describeProgram(program());
  return new Map<string, string | Buffer>([
    ["usr/share/man/man1/homeward.1.gz", manualPage(program(), date)],
    ["usr/share/bash-completion/completions/homeward", bashCompletion(shape)],
    ["usr/share/zsh/vendor-completions/_homeward", zshCompletion(shape)],
    ["usr/share/fish/vendor_completions.d/homeward.fish", fishCompletion(shape)],
    ["usr/share/applications/homeward.desktop", await packagingFile("homeward.desktop")],
    ["usr/share/icons/hicolor/scalable/apps/homeward.svg", await readFile(join(root, "electron/renderer/public/icon.svg"))],
    ["usr/share/icons/hicolor/256x256/apps/homeward.png", await readFile(join(root, "electron/icon.png"))],
    ["usr/lib/systemd/user/homeward.service", await packagingFile("homeward.service")],
    ["usr/share/doc/homeward/copyright", await readFile(join(root, "LICENSE"))],
    ["usr/share/doc/homeward/changelog.gz", await readFile(join(root, "CHANGELOG.md"))],
  ]);
}
