import { Command, CommanderError } from "commander";
import { EXIT_STATUS, HomewardError, toHomewardError, type ErrorCode } from "../common/errors.ts";
import { formatTable } from "../common/table.ts";
import type { CommandEntry } from "./command.ts";
import { consoleCommand } from "./commands/console.ts";
import { createCommand } from "./commands/create.ts";
import { deleteCommand } from "./commands/delete.ts";
import { demoCommand } from "./commands/demo.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { logCommand } from "./commands/log.ts";
import { migrateCommand } from "./commands/migrate.ts";
import { powerCommand } from "./commands/power.ts";
import { reportCommand } from "./commands/report.ts";
import { sealCommand } from "./commands/seal.ts";
import { serveCommand } from "./commands/serve.ts";
import { shutdownCommand } from "./commands/shutdown.ts";
import { startCommand } from "./commands/start.ts";
import { statusCommand } from "./commands/status.ts";
import { suspendCommand } from "./commands/suspend.ts";
import { addGlobalOptions, errorOutput, invocationOf, type Body, type Surroundings } from "./invocation.ts";

const COMMANDS: readonly (() => CommandEntry)[] = [
  serveCommand,
  statusCommand,
  createCommand,
  startCommand,
  consoleCommand,
  suspendCommand,
  powerCommand,
  sealCommand,
  migrateCommand,
  logCommand,
  reportCommand,
  deleteCommand,
  shutdownCommand,
  doctorCommand,
  demoCommand,
];

const EXIT_MEANINGS: Readonly<Record<ErrorCode, string>> = {
  INTERNAL: "a defect in Homeward",
  USAGE: "a wrong option, argument or input file",
  NOT_FOUND: "no such workspace, generation, host or file",
  CONFLICT: "not possible in the state that it is in",
  ENVIRONMENT: "this computer lacks something, or no service is running",
  INCOMPATIBLE: "the other host cannot run this machine",
  DAMAGED: "data does not have the hash that it should have",
  PEER: "the other host cannot be reached or broke the protocol",
  NO_ROOM: "no room on disk or no memory left",
  TIMEOUT: "something did not answer in time",
  GUEST: "QEMU or the guest failed",
  CANCELLED: "stopped by you",
};

/** The table of exit statuses, for `homeward --help`. */
export function exitTable(): string {
  const rows = (Object.keys(EXIT_STATUS) as ErrorCode[]).map((code) => [
    String(EXIT_STATUS[code]),
    code,
    EXIT_MEANINGS[code],
  ]);
  return formatTable([["0", "", "success"], ...rows], ["right"], "  ");
}

const INTRODUCTION =
  "Homeward moves a running virtual machine between your computers over a slow link: it replays there what you did here, " +
  "and sends only what replay did not reproduce.";

const TUTORIAL = `
A first workspace, and moving it:
  homeward serve                            in a terminal of its own, on each computer
  homeward create work --guest desktop      a machine with a small Debian desktop
  homeward start work
  homeward console work --open              use it
  homeward seal work                        from here on, what you do is recorded
  homeward migrate work home                move it to the host named "home"
  homeward demo                             see all of that on one computer

Exit status:
${exitTable()}

"homeward COMMAND --help" explains a command and gives examples.`;

function buildProgram(surroundings: Surroundings, run: (body: Body, command: Command) => Promise<void>): Command {
  const program = addGlobalOptions(new Command("homeward"))
    .description(INTRODUCTION)
    .addHelpText("after", TUTORIAL)
    .exitOverride()
    .configureOutput({
      writeOut: surroundings.stdout,
      // Usage errors reach the user as every other error does, in text or in JSON.
      writeErr: () => undefined,
    })
    .showSuggestionAfterError();
  for (const make of COMMANDS) {
    const { command, body } = make();
    command.copyInheritedSettings(program).action(() => run(body, command));
    program.addCommand(command);
  }
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
    const error = thrown instanceof CommanderError ? usageError(thrown) : toHomewardError(thrown);
    errorOutput(argv, surroundings).error(error);
    return EXIT_STATUS[error.code];
  }
}

function usageError(error: CommanderError): HomewardError {
  return new HomewardError("USAGE", error.message.replace(/^error: /, ""), {
    hint: `Run "homeward --help" for the commands, "homeward COMMAND --help" for one of them.`,
  });
}
