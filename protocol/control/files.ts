import { z } from "zod";
import { countSchema, pathSchema } from "./status.ts";

/** What the control API says about folders on the service's host, so that a page can choose something in them. See ../control.ts. */

/** Entries of a folder that are told at most. */
export const MAX_LISTED_FILES = 500;

export const filesSchema = z.strictObject({
  dir: pathSchema,
  /** The folder above; null at the root. */
  parent: pathSchema.nullable(),
  /** A workspace can be made of the folder itself: a guest's, or an exported generation's. */
  holds: z.enum(["guest", "generation"]).nullable(),
  /** Folders first, by name. Only names that end like a disk image's; no hidden ones. */
  entries: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(255),
        kind: z.enum(["folder", "image"]),
        /** Length of an image's file; null for a folder. */
        bytes: countSchema.nullable(),
      }),
    )
    .max(MAX_LISTED_FILES),
  /** There is more in it than is told. */
  more: z.boolean(),
});
export type Files = Readonly<z.output<typeof filesSchema>>;
export type FileEntry = Files["entries"][number];
