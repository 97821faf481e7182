import type { JSX } from "preact";
import { formatBytes, formatCapacity } from "../../../../common/quantities.ts";
import type { ImportPlan, Origin } from "../../../../protocol/import.ts";
import { DISK_BUSES, FIRMWARES, NICS } from "../../../../protocol/machine.ts";
import { SelectField, TextField } from "../../components/field.tsx";
import { Notice } from "../../components/notice.tsx";
import { texts } from "../../texts/texts.ts";
import { cpusOf, memoryBytesOf, memoryText, type Changes } from "./import-draft.ts";

export interface PlanFieldsProps {
  readonly plan: ImportPlan;
  readonly changes: Changes;
  /** `isWhole`: not only a character of it. */
  readonly onChange: (changes: Changes, isWhole: boolean) => void;
  readonly disabled: boolean;
}

/** The machine that an image becomes: what was found, where each setting comes from, and everything to be changed. */
export function PlanFields({ plan, changes, onChange, disabled }: PlanFieldsProps): JSX.Element {
  const words = texts.create;
  const origin = (of: Origin, isChanged: boolean): string => words.origins[isChanged ? "given" : of];
  const { origins } = plan;
  const { memory = memoryText(plan.memoryBytes), cpus = String(plan.cpus) } = changes;
  return (
    <>
      <p class="muted">{words.facts(plan.format, formatCapacity(plan.diskBytes), formatBytes(plan.allocatedBytes))}</p>
      <div class="field-grid">
        <TextField
          label={words.memory}
          type="number"
          hint={origin(origins.memoryBytes, changes.memory !== undefined)}
          error={memoryBytesOf(memory) === null ? words.memoryError : null}
          value={memory}
          disabled={disabled}
          onInput={(value) => { onChange({ ...changes, memory: value }, false); }}
          onChange={(value) => { onChange({ ...changes, memory: value }, true); }}
        />
        <TextField
          label={words.cpus}
          type="number"
          hint={origin(origins.cpus, changes.cpus !== undefined)}
          error={cpusOf(cpus) === null ? words.cpusError : null}
          value={cpus}
          disabled={disabled}
          onInput={(value) => { onChange({ ...changes, cpus: value }, false); }}
          onChange={(value) => { onChange({ ...changes, cpus: value }, true); }}
        />
        <SelectField
          label={words.firmware}
          hint={origin(origins.firmware, changes.firmware !== undefined)}
          value={changes.firmware ?? plan.firmware}
          options={FIRMWARES.map((value) => ({ value, text: words.firmwares[value] }))}
          disabled={disabled}
          onChange={(value) => { onChange({ ...changes, firmware: value as ImportPlan["firmware"] }, true); }}
        />
        <SelectField
          label={words.diskBus}
          hint={origin(origins.diskBus, changes.diskBus !== undefined)}
          value={changes.diskBus ?? plan.diskBus}
          options={DISK_BUSES.map((value) => ({ value, text: words.diskBuses[value] ?? value }))}
          disabled={disabled}
          onChange={(value) => { onChange({ ...changes, diskBus: value as ImportPlan["diskBus"] }, true); }}
        />
        <SelectField
          label={words.nic}
          hint={origin(origins.nic, changes.nic !== undefined)}
          value={changes.nic ?? plan.nic}
          options={NICS.map((value) => ({ value, text: value }))}
          disabled={disabled}
          onChange={(value) => { onChange({ ...changes, nic: value as ImportPlan["nic"] }, true); }}
        />
      </div>
      {plan.notes.map((note) => (
        <Notice key={note} kind="info">
          {note}
        </Notice>
      ))}
    </>
  );
}
