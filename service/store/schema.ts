import type { DatabaseSync } from "node:sqlite";
import { HomewardError } from "../../common/errors.ts";

/**
 * One entry for each version of the database; entry n leads from version n to n + 1. Entries are never edited once they
 * were released, only appended.
 */
const STEPS: readonly string[] = [
  `
  CREATE TABLE host (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    name TEXT NOT NULL,
    created_at TEXT NOT NULL
  ) STRICT;

  -- Immutable disk images. A row without any reference is garbage.
  CREATE TABLE layers (
    id TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL,
    created_at TEXT NOT NULL
  ) STRICT;

  CREATE TABLE generations (
    root TEXT PRIMARY KEY CHECK (length(root) = 64),
    parent TEXT,
    manifest TEXT NOT NULL,
    created_at TEXT NOT NULL
  ) STRICT;

  -- position 0 is the top layer.
  CREATE TABLE generation_layers (
    root TEXT NOT NULL REFERENCES generations(root) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    layer TEXT NOT NULL REFERENCES layers(id),
    PRIMARY KEY (root, position)
  ) STRICT;

  CREATE TABLE workspaces (
    name TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    owner TEXT,                  -- null: this host
    base TEXT REFERENCES generations(root),
    machine TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('off', 'running', 'suspended', 'paused-for-migration', 'away')),
    resume_from TEXT NOT NULL CHECK (resume_from IN ('boot', 'saved', 'generation')),
    ram_path TEXT,
    note TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
  ) STRICT;

  -- What lies under the workspace's own writable overlay.
  CREATE TABLE workspace_layers (
    workspace TEXT NOT NULL REFERENCES workspaces(name) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    layer TEXT NOT NULL REFERENCES layers(id),
    PRIMARY KEY (workspace, position)
  ) STRICT;

  CREATE TABLE migrations (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('source', 'destination')),
    kind TEXT NOT NULL CHECK (kind IN ('migration', 'measurement')),
    peer TEXT NOT NULL,
    mode TEXT NOT NULL,
    state TEXT NOT NULL,
    base TEXT NOT NULL,
    root TEXT,
    started_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    error TEXT,
    data TEXT,                   -- JSON, the migration's own record of where it is
    report TEXT                  -- JSON
  ) STRICT;
  CREATE INDEX migrations_by_start ON migrations (started_at);

  CREATE TABLE peers (
    name TEXT PRIMARY KEY,
    address TEXT NOT NULL,
    last_seen_at TEXT
  ) STRICT;
  `,
  `
  -- Which start of the computer the service last ran in.
  ALTER TABLE host ADD COLUMN boot_id TEXT;
  -- When it was last written to a folder for another host.
  ALTER TABLE generations ADD COLUMN exported_at TEXT;
  `,
  `
  -- Hosts whose certificate is known. rights: JSON
  CREATE TABLE pairings (
    name TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    address TEXT NOT NULL,
    rights TEXT NOT NULL,
    paired_at TEXT NOT NULL,
    last_seen_at TEXT
  ) STRICT;
  `,
  `
  -- The user wants nothing to be recorded.
  ALTER TABLE workspaces ADD COLUMN recording_paused INTEGER NOT NULL DEFAULT 0 CHECK (recording_paused IN (0, 1));
  `,
  `
  -- Generations that other hosts are laying down here. manifest, files, landed: JSON
  CREATE TABLE pushes (
    workspace TEXT PRIMARY KEY,
    peer TEXT NOT NULL,
    manifest TEXT NOT NULL,
    files TEXT NOT NULL,
    landed TEXT NOT NULL,
    started_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
  ) STRICT;

  -- What other hosts hold, as far as this one knows.
  CREATE TABLE holdings (
    host TEXT NOT NULL,
    workspace TEXT NOT NULL,
    root TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    seen_at TEXT NOT NULL,
    PRIMARY KEY (host, workspace, root)
  ) STRICT;
    `,
    `
  -- Its guest may reach what listens on this computer's loopback.
  ALTER TABLE workspaces ADD COLUMN host_loopback INTEGER NOT NULL DEFAULT 0 CHECK (host_loopback IN (0, 1));
  `,
  `
  -- How often it was taken over, and by which host last.
  ALTER TABLE workspaces ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE workspaces ADD COLUMN epoch_by TEXT;
  -- JSON: the host it was taken over from and that has to be told.
  ALTER TABLE workspaces ADD COLUMN fencing TEXT;
  -- JSON: it was renamed because another host took it over, and its folder has to follow.
  ALTER TABLE workspaces ADD COLUMN fenced TEXT;
  `,
];

/**
 * Brings a database to the newest version.
 * @throws ENVIRONMENT if a newer Homeward wrote it
 */
export function upgradeSchema(db: DatabaseSync): void {
  const row = db.prepare("PRAGMA user_version").get();
  const version = Number(row?.["user_version"] ?? 0);
  if (version > STEPS.length)
    throw new HomewardError("ENVIRONMENT", "this state folder was written by a newer version of Homeward", {
      hint: "Update Homeward on this computer.",
      data: { found: version, known: STEPS.length },
    });
  for (const [at, step] of STEPS.entries()) {
    if (at < version) continue;
    db.exec("BEGIN IMMEDIATE");
    try {
      db.exec(step);
      db.exec(`PRAGMA user_version = ${at + 1}`);
      db.exec("COMMIT");
    } catch (error) {
      db.exec("ROLLBACK");
      throw error;
    }
  }
}
