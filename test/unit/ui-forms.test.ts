import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { guideSteps, needsGuide } from "../../electron/renderer/pages/first-run/guide-steps.ts";
import { changedBytes, choiceFacts, choiceSentences, savedText, stepsOnPath } from "../../electron/renderer/pages/history/describe-report.ts";
import { checkAddress, checkId, draftOf, parseNames, probableAddress, rightsOf } from "../../electron/renderer/pages/hosts/check-pairing.ts";
import { holdingsText, linkText, newestMoveWith } from "../../electron/renderer/pages/hosts/describe-host.ts";
import { cpusOf, memoryBytesOf, nameAfter, settingsOf } from "../../electron/renderer/pages/new/import-draft.ts";
import { formatHostId } from "../../protocol/host-id.ts";
import { HOSTS, MIGRATION_REPORT, MIGRATION_SUMMARY, MODE_CHOICE, SERVICE_STATUS, WORKSPACE_STATUS } from "./cli-reports.ts";

const ID = formatHostId(createHash("sha256").update("far").digest());

describe("pairing", () => {
  it("says at once what is wrong with an ID", () => {
    expect(checkId(ID.toLowerCase(), HOSTS)).toMatchObject({ kind: "good", value: ID });
    expect(checkId(ID.slice(0, 9), HOSTS)).toMatchObject({ kind: "unfinished" });
    expect(checkId(`${ID.slice(0, 14)}${ID[14] === "Q" ? "R" : "Q"}`, HOSTS)).toMatchObject({ kind: "wrong" });
    expect(checkId(ID, { ...HOSTS, id: ID })).toMatchObject({ kind: "wrong" });
  });

  it("knows addresses, names and rights", () => {
    expect(probableAddress("192.0.2.9:41000")).toBe("192.0.2.9:7411");
    expect(probableAddress("[fd00::2]:41000")).toBe("[fd00::2]:7411");
    expect(checkAddress("nowhere").kind).toBe("wrong");
    expect(parseNames("desk, notes desk")).toEqual(["desk", "notes"]);
    expect(parseNames("Desk!")).toBeNull();
    const rights = { push: true, take: false, workspaces: ["desk"] };
    expect(rightsOf(draftOf(rights))).toEqual(rights);
    expect(rightsOf({ push: true, take: true, all: false, names: "?" })).toBeNull();
  });
});

describe("another host", () => {
  it("is described by what moves told of it", () => {
    expect(holdingsText("home", [{ ...WORKSPACE_STATUS, owner: "home" }], [])).toEqual(["work, which lives there now"]);
    const [holding] = HOSTS.holdings.map((each) => ({ ...each, createdAt: new Date(Date.now() - 3 * 3_600_000).toISOString() }));
    if (holding === undefined) throw new Error("nothing is held");
    expect(holdingsText("home", [WORKSPACE_STATUS], [holding])).toEqual(["an earlier state of work, made 3 hours ago, 612 MB"]);
    expect(holdingsText("cloud", [WORKSPACE_STATUS], [holding])).toEqual(["Nothing of your workspaces yet"]);
    expect(newestMoveWith("home", [{ ...MIGRATION_SUMMARY, bytes: null }, MIGRATION_SUMMARY])).toBe(MIGRATION_SUMMARY);
    expect(linkText(MIGRATION_REPORT)).toContain("190 kB a second");
    expect(linkText({ ...MIGRATION_REPORT, bytes: { ...MIGRATION_REPORT.bytes, residual: 100 } })).toBeNull();
  });
});

describe("a report", () => {
  it("says what was saved", () => {
    expect(changedBytes(MIGRATION_REPORT)).toBe((9880 + 5403) * 4096);
    expect(savedText(MIGRATION_REPORT)).toBe("547 kB instead of the 62.6 MB that had changed: 114 times less");
    expect(stepsOnPath(MIGRATION_REPORT.replay?.path ?? [])).toEqual({ same: 65, left: 2 });
  });

  it("says why it went that way, what was expected and what came out", () => {
    expect(choiceSentences(MODE_CHOICE)).toEqual([MODE_CHOICE.why, "Bytes alone counted."]);
    expect(choiceSentences({ ...MODE_CHOICE, metered: false, stopped: "at 3 %: why" })).toEqual([MODE_CHOICE.why, "The replay was ended at 3 %: why."]);
    const lines = choiceFacts(MODE_CHOICE, MIGRATION_REPORT).map(({ name, values }) => `${name}: ${String(values)}`);
    expect(lines).toEqual(["Expected of a replay: 561 kB in 45 s", "Expected without one: 2.41 MB in 30 s", "Came out: 547 kB in 43 s"]);
    expect(choiceFacts({ ...MODE_CHOICE, replay: null }, MIGRATION_REPORT)).toHaveLength(2);
  });
});

describe("a new workspace", () => {
  it("is named after its image", () => {
    expect(nameAfter("/images/Debian 12 (work).qcow2")).toBe("debian-12-work");
    expect(nameAfter("/images/tiny/")).toBe("tiny");
    expect(nameAfter(`/${"a".repeat(31)}-b.img`)).toBe("a".repeat(31));
  });

  it("takes numbers as people type them", () => {
    expect(["0,5", "2", "", "-1", "many"].map(memoryBytesOf)).toEqual([2 ** 29, 2 ** 31, null, null, null]);
    expect(["2", "65", "1.5", ""].map(cpusOf)).toEqual([2, null, null, null]);
    expect(settingsOf({ memory: "1", diskBus: "ide" })).toEqual({ memoryBytes: 2 ** 30, diskBus: "ide" });
    expect(settingsOf({ cpus: "x" })).toBeNull();
  });
});

describe("the first run", () => {
  const fresh = { ...SERVICE_STATUS, peers: [], workspaces: [] };
  it("is led through until the first move", () => {
    expect(needsGuide(fresh)).toBe(true);
    const made = { ...WORKSPACE_STATUS, lastMove: null, generation: null };
    expect(guideSteps({ ...fresh, workspaces: [made] })).toEqual({ make: true, pair: false, lay: false, move: false });
    expect(needsGuide({ ...SERVICE_STATUS, workspaces: [made] })).toBe(true);
    expect(needsGuide(SERVICE_STATUS)).toBe(false);
    expect(needsGuide({ ...SERVICE_STATUS, workspaces: [] })).toBe(false);
  });
});
