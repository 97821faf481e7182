import { z } from "zod";
import { nameSchema } from "./status.ts";

/** Input of a guest that was seen in a viewer's window, as in the input log. */
export const capturedEventSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("key"),
    down: z.boolean(),
    /** X11 keysym, 0 if it is not known. */
    keysym: z.int().min(0).max(0xffffffff),
    /** XT scan code, 0xe0-prefixed ones with bit 7 set. */
    keycode: z.int().min(1).max(0xff),
  }),
  z.strictObject({
    type: z.literal("pointer"),
    /** Pixels of the guest's screen. */
    x: z.int().min(0).max(0xffff),
    y: z.int().min(0).max(0xffff),
    /** RFC 6143 7.5.5. */
    buttons: z.int().min(0).max(0xff),
  }),
]);
export type CapturedEvent = z.output<typeof capturedEventSchema>;

/** Events that one call of `captured` may bring. */
export const MAX_CAPTURED_EVENTS = 256;

export const capturedParams = z.strictObject({
  workspace: nameSchema,
  events: z.array(capturedEventSchema).max(MAX_CAPTURED_EVENTS),
});

export const capturedSchema = z.strictObject({
  /** Size of the guest's screen in pixels; null while nothing is recorded. */
  screen: z.strictObject({ width: z.int().nonnegative(), height: z.int().nonnegative() }).nullable(),
  recording: z.boolean(),
});
