import { z } from "zod";
import {
  collectedSchema,
  controlMethods,
  doctorSchema,
  progressSchema,
  statusSchema,
  uiLinkSchema,
  wireErrorSchema,
  workspaceStatusSchema,
} from "../../protocol/control.ts";

/** What `--json` prints, as docs/cli.md promises it. */
export const progressLineSchema = progressSchema.extend({
  type: z.literal("progress"),
  left_s: z.number().nonnegative().optional(),
});
export const errorLineSchema = wireErrorSchema.extend({ type: z.literal("error") });

/** The `result` of each command, without its `type`; `demo` prints lines of its own. */
export const RESULTS: Readonly<Record<string, z.ZodObject>> = {
  serve: z.strictObject({ pid: z.int().positive(), state: z.string() }),
  status: statusSchema,
  ui: uiLinkSchema.extend({ opener: z.string().nullable() }),
  create: workspaceStatusSchema,
  import: controlMethods.import.result,
  start: workspaceStatusSchema,
  console: z.strictObject({ path: z.string(), direct: z.string(), viewer: z.string().nullable() }),
  capture: z.strictObject({
    windows: z
      .array(
        z.strictObject({
          id: z.string(),
          title: z.string(),
          program: z.string(),
          x: z.int(),
          y: z.int(),
          width: z.int(),
          height: z.int(),
        }),
      )
      .nullable(),
    window: z.string().nullable(),
    events: z.int(),
    ended: z.enum(["stopped", "window closed"]).nullable(),
  }),
  suspend: workspaceStatusSchema,
  power: workspaceStatusSchema,
  record: workspaceStatusSchema,
  seal: controlMethods.seal.result,
  migrate: controlMethods.migrate.result,
  push: controlMethods.push.result,
  check: controlMethods.check.result,
  takeover: controlMethods.takeover.result,
  log: controlMethods.log.result,
  report: controlMethods.report.result,
  explain: controlMethods.explain.result.extend({ svg: z.string().nullable() }),
  hosts: controlMethods.hosts.result,
  pair: controlMethods.pair.result,
  unpair: controlMethods.unpair.result,
  prepare: z.strictObject({
    switches: z.array(
      z.strictObject({
        name: z.string(),
        what: z.string(),
        trades: z.string().nullable(),
        gain: z.strictObject({ text: z.string(), from: z.string() }).nullable(),
        byDefault: z.boolean(),
      }),
    ),
    script: z.string().nullable(),
  }),
  gc: collectedSchema,
  delete: controlMethods.delete.result,
  shutdown: controlMethods.shutdown.result,
  doctor: doctorSchema,
  completion: z.strictObject({ shell: z.string(), script: z.string() }),
};

/** Checks one line of a command. @throws what is wrong with it */
export function checkLine(command: string, line: Record<string, unknown>): void {
  const result = RESULTS[command];
  if (result === undefined) throw new Error(`no schema for ${command}`);
  const { type } = line;
  if (type === "progress") progressLineSchema.parse(line);
  else if (type === "error") errorLineSchema.parse(line);
  else result.extend({ type: z.literal("result") }).parse(line);
}
