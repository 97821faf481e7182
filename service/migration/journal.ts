import { HomewardError } from "../../common/errors.ts";
import type { MigrationMode, MigrationReport } from "../../protocol/report.ts";
import type { MigrationRow } from "../../protocol/control.ts";
import type { MigrationChange, NewMigration } from "../store/migrations-table.ts";
import type { Store } from "../store/store.ts";
import {
  asDestinationState,
  asSourceState,
  illegal,
  nextDestinationState,
  nextSourceState,
  type DestinationEvent,
  type DestinationState,
  type SourceEvent,
  type SourceState,
} from "./states.ts";

type Details = Omit<NewMigration, "state" | "role">;

/**
 * Where one migration is, on disk before anyone acts on it. A measurement's row is only written when it is over: nothing
 * hangs on it, so a crash may forget it.
 */
abstract class Journal<State extends string, Event extends string> {
  readonly id: string;
  readonly #store: Store;
  /** What to insert when the measurement is over, and where it is; null for a migration, whose state is the stored one. */
  #measurement: { readonly row: NewMigration; state: State } | null;

  constructor(store: Store, id: string, measurement: { readonly row: NewMigration; state: State } | null) {
    this.id = id;
    this.#store = store;
    this.#measurement = measurement;
  }

  protected abstract parse(state: string): State;
  protected abstract next(state: State, event: Event): State | null;

  /** As stored: two connections may be settling the same migration. */
  get state(): State {
    if (this.#measurement !== null) return this.#measurement.state;
    const row = this.#store.migrations.get(this.id);
    if (row === null) throw new HomewardError("INTERNAL", `migration ${this.id} has no row`);
    return this.parse(row.state);
  }

  /** Whether that can happen now. */
  can(event: Event): boolean {
    return this.next(this.state, event) !== null;
  }

  /** Moves on, durably when this returns. @throws INTERNAL if the event is not legal in this state */
  advance(event: Event, change: Omit<MigrationChange, "state"> = {}): void {
    this.#store.transaction(() => {
      const next = this.next(this.state, event);
      if (next === null) throw illegal(this.state, event);
      if (this.#measurement === null) this.#store.migrations.update(this.id, { ...change, state: next });
      else this.#measurement.state = next;
    });
  }

  /** Ends a measurement: its row and report are written now. */
  finishMeasurement(report: MigrationReport, event: Event): void {
    this.advance(event);
    const measurement = this.#measurement;
    if (measurement === null) throw new HomewardError("INTERNAL", "a migration does not end as a measurement");
    this.#store.transaction(() => {
      this.#store.migrations.insert({ ...measurement.row, state: measurement.state, root: report.root_source });
      this.#store.migrations.update(this.id, { report, mode: report.mode });
    });
    this.#measurement = null;
  }

  storeReport(report: MigrationReport): void {
    if (this.#measurement === null) this.#store.migrations.update(this.id, { report, mode: report.mode });
  }

  /** What it turned out to be. */
  noteMode(mode: MigrationMode): void {
    if (this.#measurement === null) this.#store.migrations.update(this.id, { mode });
  }
}

export class SourceJournal extends Journal<SourceState, SourceEvent> {
  protected override parse(state: string): SourceState {
    return asSourceState(state);
  }

  protected override next(state: SourceState, event: SourceEvent): SourceState | null {
    return nextSourceState(state, event);
  }

  /** @throws CONFLICT if the id is known already */
  static begin(store: Store, details: Details): SourceJournal {
    const row: NewMigration = { ...details, role: "source", state: "offered" };
    if (row.kind === "measurement") return new SourceJournal(store, row.id, { row, state: "offered" });
    store.migrations.insert(row);
    return new SourceJournal(store, row.id, null);
  }

  /** A migration that the store knows. */
  static resume(store: Store, row: MigrationRow): SourceJournal {
    return new SourceJournal(store, row.id, null);
  }
}

export class DestinationJournal extends Journal<DestinationState, DestinationEvent> {
  protected override parse(state: string): DestinationState {
    return asDestinationState(state);
  }

  protected override next(state: DestinationState, event: DestinationEvent): DestinationState | null {
    return nextDestinationState(state, event);
  }

  /** @throws CONFLICT if the id is known already */
  static begin(store: Store, details: Details): DestinationJournal {
    const row: NewMigration = { ...details, role: "destination", state: "accepted" };
    if (row.kind === "measurement") return new DestinationJournal(store, row.id, { row, state: "accepted" });
    store.migrations.insert(row);
    return new DestinationJournal(store, row.id, null);
  }

  /** A migration that the store knows. */
  static resume(store: Store, row: MigrationRow): DestinationJournal {
    return new DestinationJournal(store, row.id, null);
  }
}
