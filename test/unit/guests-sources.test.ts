import { describe, expect, it } from "vitest";
import { debianSources, networkSettings, parseIndexTargets } from "../../guests/apt.ts";

const LISTING = [
  "http://mirror.example/debian/|bookworm|bookworm|main|Debian",
  "http://mirror.example/debian/|bookworm|bookworm|contrib|Debian",
  "http://mirror.example/debian/|bookworm-updates|bookworm-updates|main|Debian",
  "http://mirror.example/debian-security/|oldstable-security|bookworm-security|main|Debian",
  "http://mirror.example/debian/|trixie|trixie|main|Debian",
  "https://other.example/|bookworm|bookworm|main|Somebody",
  "https://other.example/|tool-bookworm|tool-bookworm|main|Debian",
  "http://mirror.example/debian/|bookworm|bookworm|main|Debian",
  "",
].join("\n");

describe("debianSources", () => {
  it("takes Debian 12's own archives only, each once, under the names the host uses", () => {
    expect(debianSources(parseIndexTargets(LISTING), "[signed-by=/key] ")).toEqual([
      "deb [signed-by=/key] http://mirror.example/debian/ bookworm main",
      "deb [signed-by=/key] http://mirror.example/debian/ bookworm-updates main",
      "deb [signed-by=/key] http://mirror.example/debian-security/ oldstable-security main",
    ]);
  });

  it("accepts a source that apt has not fetched yet, whose publisher it cannot know", () => {
    const targets = parseIndexTargets("http://mirror.example/debian/|bookworm|$(CODENAME)|main|$(ORIGIN)\n");
    expect(targets).toEqual([
      { uri: "http://mirror.example/debian/", suite: "bookworm", codename: "", component: "main", origin: "" },
    ]);
    expect(debianSources(targets, "")).toEqual(["deb http://mirror.example/debian/ bookworm main"]);
  });

  it("finds nothing on another distribution", () => {
    expect(debianSources(parseIndexTargets("http://x.example/|noble|noble|main|Ubuntu\n"), "")).toEqual([]);
  });
});

describe("networkSettings", () => {
  it("keeps how to reach an archive and nothing else", () => {
    const dump = [
      'Acquire "";',
      'Acquire::cdrom "";',
      'Acquire::cdrom::mount "/media/cdrom/";',
      'Acquire::http "";',
      'Acquire::http::Proxy "http://proxy.example:3128";',
      'Acquire::http::User-Agent-Non-Interactive "true";',
      'Acquire::https::CaInfo "/etc/ssl/own.pem";',
      'Acquire::Retries "3";',
      'Acquire::Languages "none";',
    ].join("\n");
    expect(networkSettings(dump)).toEqual([
      'Acquire::http::Proxy "http://proxy.example:3128";',
      'Acquire::https::CaInfo "/etc/ssl/own.pem";',
      'Acquire::Retries "3";',
    ]);
  });
});
