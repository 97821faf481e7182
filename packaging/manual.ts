import type { Command } from "commander";

/** Text as roff takes it: no backslash is an escape, and no line a request. See groff_char(7). */
function escape(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .split("\n")
    .map((line) => (/^[.']/.test(line) ? `\\&${line}` : line))
    .join("\n");
}

/** A command's help as it prints it, examples and exit statuses among it. */
function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  return text.trim();
}

function section(title: string, body: string): string {
  return `.SH ${title}\n${body}`;
}

/** Lines as they are. */
function verbatim(text: string): string {
  return `.nf\n${escape(text)}\n.fi`;
}

/**
 * The manual page homeward(1), in man(7) macros, made of what the commands say of themselves.
 * @param program see cli/program.ts
 * @param date of the page, such as 2026-01-31
 */
export function manualPage(program: Command, date: string): string {
  const help = program.createHelp();
  const commands = help.visibleCommands(program).filter((command) => command.name() !== "help");
  const parts = [
    `.TH HOMEWARD 1 "${date}" "Homeward ${program.version() ?? ""}" "User Commands"`,
    section("NAME", "homeward \\- takes a running virtual machine with you"),
    section("SYNOPSIS", `.B homeward\n.I command\n[\\fIoption\\fR...] [\\fIargument\\fR...]`),
    section("DESCRIPTION", escape(program.description())),
    section("OVERVIEW", verbatim(helpOf(program))),
    section("COMMANDS", commands.map((command) => `.SS homeward ${escape(command.name())}\n${verbatim(helpOf(command))}`).join("\n")),
    section("FILES", ".TP\n.I ~/.local/share/homeward\nthe state folder: workspaces, generations, input logs\n.TP\n.I ~/.cache/homeward\nguests that were built; may be deleted"),
  ];
  return `${parts.join("\n")}\n`;
}
