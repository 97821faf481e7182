import { join } from "node:path";
import { MakerBase, type MakerOptions } from "@electron-forge/maker-base";
import { z } from "zod";
import { makeDeb, type DebOptions } from "./deb.ts";
import { systemFiles } from "./system-files.ts";

export interface MakerDebConfig {
  readonly executable: string;
  readonly compression?: NonNullable<DebOptions["compression"]>;
}

const packageSchema = z.object({ version: z.string(), description: z.string() });
const ROOT = join(import.meta.dirname, "..");

/**
 * Makes the Debian package for Electron Forge. Forge's own maker has no place for a manual page, completions or a service
 * for systemd.
 */
export class MakerDeb extends MakerBase<MakerDebConfig> {
  override name = "deb";
  override defaultPlatforms: MakerBase<MakerDebConfig>["defaultPlatforms"] = ["linux"];
  override requiredExternalBinaries = ["dpkg-deb"];

  override isSupportedOnCurrentPlatform(): boolean {
    return process.platform === "linux";
  }

  /** @returns path of the package */
  override async make({ dir, makeDir, targetArch, packageJSON }: MakerOptions): Promise<string[]> {
    const { version, description } = packageSchema.parse(packageJSON);
    const output = join(makeDir, "deb", targetArch, `homeward_${version}_${targetArch}.deb`);
    const date = new Date().toISOString().slice(0, 10);
    await makeDeb({ app: dir, version, description, arch: targetArch, files: await systemFiles(ROOT, date), output, ...this.config });
    return [output];
  }
}
