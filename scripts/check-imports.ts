import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, normalize, sep } from "node:path";
import ts from "typescript";
import { FOLDER_IMPORTS, IN_BROWSER, PACKAGE_IMPORTS, SPAWN_CALLERS, UNRESTRICTED } from "./import-rules.ts";

/** Checks scripts/import-rules.ts against what the files really import; prints every breach and every stale rule. */
const SPAWN_MODULE = "common/spawn.ts";
const SKIPPED = new Set(["node_modules", "out", "coverage", ".git"]);

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : sourceFiles(path);
    return /\.tsx?$/.test(entry.name) ? [normalize(path)] : [];
  });
}

/** The folder that a file's rules are those of; of electron/ it is the folder below, as each runs somewhere else. */
function topFolder(path: string): string | undefined {
  const parts = path.split(sep);
  if (parts[0] === "electron" && parts.length > 2) return parts.slice(0, 2).join("/");
  return parts.length > 1 ? parts[0] : undefined;
}

const problems: string[] = [];
const usedEdges = new Set<string>();
const usedPackages = new Set<string>();
const spawnCallers = new Set<string>();

const programs = new Set(Object.values(PACKAGE_IMPORTS).flat().filter((place) => place.endsWith(".ts")));

function checkLocal(file: string, folder: string, specifier: string): void {
  const target = normalize(join(dirname(file), specifier));
  if (programs.has(target)) problems.push(`${file}: ${target} is a program of its own, to be started and not imported`);
  const to = topFolder(target);
  if (target === SPAWN_MODULE) spawnCallers.add(file);
  if (to === undefined || to === folder || UNRESTRICTED.includes(folder)) return;
  if (FOLDER_IMPORTS[folder]?.includes(to) === true) usedEdges.add(`${folder} -> ${to}`);
  else problems.push(`${file}: ${folder}/ must not import ${to}/ (${specifier})`);
}

function checkPackage(file: string, folder: string, specifier: string): void {
  const name = specifier.startsWith("@") ? specifier.split("/").slice(0, 2).join("/") : (specifier.split("/")[0] ?? "");
  const allowed = PACKAGE_IMPORTS[name];
  if (allowed === undefined || UNRESTRICTED.includes(folder)) return;
  const place = allowed.find((each) => each === folder || each === file);
  if (place !== undefined) usedPackages.add(`${name} in ${place}`);
  else problems.push(`${file}: must not import the package ${name}`);
}

for (const file of sourceFiles(".")) {
  const folder = topFolder(file);
  if (folder === undefined) continue;
  if (FOLDER_IMPORTS[folder] === undefined && !UNRESTRICTED.includes(folder)) {
    problems.push(`${file}: the folder ${folder}/ has no rule in scripts/import-rules.ts`);
    continue;
  }
  for (const { fileName: specifier } of ts.preProcessFile(readFileSync(file, "utf8"), true, true).importedFiles) {
    if (specifier.startsWith(".")) checkLocal(file, folder, specifier);
    else if (!specifier.startsWith("node:")) checkPackage(file, folder, specifier);
    else if (specifier === "node:child_process" && file !== SPAWN_MODULE)
      problems.push(`${file}: processes are started through ${SPAWN_MODULE} only`);
    else if (IN_BROWSER.includes(folder)) problems.push(`${file}: runs in a browser, which has no ${specifier}`);
  }
}

for (const file of spawnCallers)
  if (!SPAWN_CALLERS.includes(file) && !UNRESTRICTED.includes(topFolder(file) ?? ""))
    problems.push(`${file}: starts processes but is not listed in SPAWN_CALLERS`);
for (const file of SPAWN_CALLERS)
  if (!spawnCallers.has(file)) problems.push(`stale: ${file} is listed in SPAWN_CALLERS but starts no process`);
for (const [folder, targets] of Object.entries(FOLDER_IMPORTS))
  for (const to of targets)
    if (!usedEdges.has(`${folder} -> ${to}`)) problems.push(`stale: ${folder}/ may import ${to}/ but does not`);
for (const [name, places] of Object.entries(PACKAGE_IMPORTS))
  for (const place of places)
    if (!usedPackages.has(`${name} in ${place}`)) problems.push(`stale: ${place} may import ${name} but does not`);

for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
else console.log(`imports: ${String(usedEdges.size)} rules kept, none stale`);
