import { Command, CommanderError, type CommandOptions } from "commander";
import packageJson from "../package.json" with { type: "json" };
import { EXIT_STATUS, HomewardError, toHomewardError } from "../common/errors.ts";
import type { CommandEntry } from "./command.ts";
import { captureCommand } from "./commands/capture.ts";
import { completeCommand } from "./commands/complete.ts";
import { checkCommand } from "./commands/check.ts";
import { completionCommand } from "./commands/completion.ts";
import { consoleCommand } from "./commands/console.ts";
import { createCommand } from "./commands/create.ts";
import { deleteCommand } from "./commands/delete.ts";
import { demoCommand } from "./commands/demo.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { explainCommand } from "./commands/explain.ts";
import { gcCommand } from "./commands/gc.ts";
import { hostsCommand } from "./commands/hosts.ts";
import { importCommand } from "./commands/import.ts";
import { logCommand } from "./commands/log.ts";
import { migrateCommand } from "./commands/migrate.ts";
import { pairCommand } from "./commands/pair.ts";
import { powerCommand } from "./commands/power.ts";
import { prepareCommand } from "./commands/prepare.ts";
import { pushCommand } from "./commands/push.ts";
import { recordCommand } from "./commands/record.ts";
import { reportCommand } from "./commands/report.ts";
import { sealCommand } from "./commands/seal.ts";
import { serveCommand } from "./commands/serve.ts";
import { shutdownCommand } from "./commands/shutdown.ts";
import { startCommand } from "./commands/start.ts";
import { statusCommand } from "./commands/status.ts";
import { suspendCommand } from "./commands/suspend.ts";
import { uiCommand } from "./commands/ui.ts";
import { takeoverCommand } from "./commands/takeover.ts";
import { unpairCommand } from "./commands/unpair.ts";
import { exitTable } from "./exit-status.ts";
import { addGlobalOptions, errorOutput, invocationOf, type Body, type Surroundings } from "./invocation.ts";

const COMMANDS: readonly (() => CommandEntry)[] = [
  serveCommand,
  statusCommand,
  uiCommand,
  createCommand,
  importCommand,
  startCommand,
  consoleCommand,
  captureCommand,
  suspendCommand,
  powerCommand,
  recordCommand,
  sealCommand,
  pushCommand,
  checkCommand,
  migrateCommand,
  takeoverCommand,
  hostsCommand,
  pairCommand,
  unpairCommand,
  logCommand,
  reportCommand,
  explainCommand,
  deleteCommand,
  gcCommand,
  shutdownCommand,
  prepareCommand,
  doctorCommand,
  demoCommand,
  completionCommand,
];

const INTRODUCTION =
  "Homeward moves a running virtual machine between your computers over a slow link: it replays there what you did here, " +
  "and sends only what replay did not reproduce.";

const TUTORIAL = `
A first workspace, and moving it from the host "laptop" to the host "home":
  homeward serve --name laptop              the service, in a terminal of its own on each computer;
                                            with --listen HOST:PORT
  homeward hosts                            on each: its ID, with which the other one pairs it
  homeward create work --guest desktop      a machine with a small Debian desktop
  homeward start work
  homeward console work --open              use it
  homeward seal work                        from here on, what you do is recorded
  homeward push work home                   once: both hosts hold the same generation now
  homeward migrate work home                and on home, to come back: homeward migrate work laptop
  homeward status                           at any time: what is where, and what to do next
  homeward demo                             see all of that on one computer

Exit status:
${exitTable()}

"homeward COMMAND --help" explains a command and gives examples.`;

/** A command in the list of commands; that all of them take options need not be said of each. */
function subcommandTerm(command: Command): string {
  const names = command.registeredArguments.map((each) => (each.required ? `<${each.name()}>` : `[${each.name()}]`));
  return [command.name(), ...names].join(" ");
}

/**
 * The program with all its commands.
 * @param run called with the command that was given and what it does
 */
export function buildProgram(surroundings: Surroundings, run: (body: Body, command: Command) => Promise<void>): Command {
  const program = addGlobalOptions(new Command("homeward"))
    .description(INTRODUCTION)
    .version(packageJson.version, "-V, --version", "print the version")
    .addHelpText("after", TUTORIAL)
    .configureHelp({ subcommandTerm })
    .exitOverride()
    .configureOutput({
      writeOut: surroundings.stdout,
      // Usage errors reach the user as every other error does, in text or in JSON.
      writeErr: () => undefined,
    })
    .showSuggestionAfterError();
  const add = ({ command, body }: CommandEntry, options: CommandOptions = {}): void => {
    command.copyInheritedSettings(program).action(() => run(body, command));
    program.addCommand(command, options);
  };
  for (const make of COMMANDS) add(make());
  add(completeCommand(), { hidden: true });
  return program;
}

/**
 * Runs one command line.
 * @param argv without the program's own name
 * @returns the exit status
 */
export async function runProgram(argv: readonly string[], surroundings: Surroundings): Promise<number> {
  let status: number = 0;
  const exitWith = (given: number): void => {
    status = given;
  };
  try {
    const program = buildProgram(surroundings, (body, command) =>
      body(invocationOf(command, surroundings, exitWith), command),
    );
    if (argv.length === 0) {
      program.outputHelp();
      return EXIT_STATUS.USAGE;
    }
    await program.parseAsync([...argv], { from: "user" });
    return status;
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return 0;
    const error = thrown instanceof CommanderError ? usageError(thrown, argv) : toHomewardError(thrown);
    errorOutput(argv, surroundings).error(error);
    return EXIT_STATUS[error.code];
  }
}

/** What commander says, as an error of ours: its suggestion moves into the hint, with the help that explains more. */
function usageError(error: CommanderError, argv: readonly string[]): HomewardError {
  const [message = "", suggestion = ""] = error.message.replace(/^error: /, "").split("\n");
  const named = COMMANDS.map((make) => make().command.name()).find((name) => argv.includes(name));
  const help = named === undefined ? "homeward --help" : `homeward ${named} --help`;
  const guess = suggestion.replace(/^\(|\)$/g, "");
  return new HomewardError("USAGE", error.code === "commander.help" ? "no command was given" : message, {
    hint: [guess, `"${help}" explains.`].filter((part) => part !== "").join(" "),
  });
}
