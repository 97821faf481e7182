import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";

/** Path of the first of these programs that is in `path`, a list of folders as in $PATH. */
export async function findProgram(names: readonly string[], path: string): Promise<string | undefined> {
  for (const name of names)
    for (const folder of path.split(delimiter).filter((entry) => entry !== "")) {
      const file = join(folder, name);
      if (await access(file, constants.X_OK).then(() => true, () => false)) return file;
    }
  return undefined;
}
