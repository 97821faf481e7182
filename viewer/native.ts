import type { z } from "zod";
import { HomewardError, toHomewardError } from "../common/errors.ts";
import { endMessage, MessageLines } from "./messages.ts";

/**
 * Loads one of the packages that hold native code. They are optional: a host without a display goes without.
 * @throws ENVIRONMENT if it is not installed or lacks a library
 */
export async function loadNative<T>(load: () => Promise<T>, name: string): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    const missing = cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND";
    throw new HomewardError("ENVIRONMENT", `the package ${name} ${missing ? "is not installed" : "cannot be loaded"}`, {
      cause,
      hint: missing
        ? `Install it with: npm install ${name}`
        : "It needs the X11 libraries of the Debian packages libxtst6, libxt6 and libxrandr2.",
    });
  }
}

/** What nobody reads. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/** The other end of a native program's stdin and stdout. */
export interface Parent<Message> {
  readonly say: (message: Message) => void;
  /** Says why and ends this process. */
  readonly end: (thrown: unknown) => void;
  /** Takes commands until stdin ends, which ends this process. What a command throws ends it too, and is said. */
  listen<Command>(schema: z.ZodType<Command>, take: (command: Command) => Promise<void>): void;
}

/** Entry points only: it decides about the life of this process. */
export function serveParent<Message>(): Parent<Message> {
  const end = (thrown: unknown): void => {
    process.stdout.write(`${JSON.stringify(endMessage(toHomewardError(thrown)))}\n`, () => process.exit(0));
  };
  process.stdout.on("error", () => process.exit(0));
  return {
    say: (message) => {
      if (process.stdout.writableLength > MAX_UNREAD_BYTES) process.exit(1);
      process.stdout.write(`${JSON.stringify(message)}\n`);
    },
    end,
    listen: (schema, take) => {
      const lines = new MessageLines(schema, (command) => {
        take(command).catch(end);
      });
      process.stdin.setEncoding("utf8");
      process.stdin.on("data", (text: string) => {
        try {
          lines.push(text);
        } catch (error) {
          end(error);
        }
      });
      process.stdin.on("end", () => process.exit(0));
    },
  };
}
