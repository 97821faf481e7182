import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { ServiceStatus, WorkspaceStatus } from "../../../../protocol/control.ts";
import { Button } from "../../components/button.tsx";
import { Menu } from "../../components/menu.tsx";
import type { Action } from "../../control/action.ts";
import { hrefOf } from "../../router.ts";
import { texts } from "../../texts/texts.ts";
import { MigrateDialog } from "./migrate-dialog.tsx";
import { destinations } from "./usual-host.ts";

export interface MigrateButtonProps {
  readonly workspace: WorkspaceStatus;
  readonly service: ServiceStatus;
  readonly action: Action;
}

/** The way home: the usual host in big letters, the others in a list beside it. */
export function MigrateButton({ workspace, service, action }: MigrateButtonProps): JSX.Element {
  const words = texts.workspaces;
  const { name, generation } = workspace;
  const [usual, ...others] = destinations(workspace, service);
  const asked = useSignal<string | null>(null);
  const migrate = (peer: string): void => {
    asked.value = peer;
  };
  if (usual === undefined)
    return (
      <a class="button primary big" href={hrefOf("hosts")}>
        {words.noHosts}
      </a>
    );
  return (
    <>
      <div class="split">
        <Button
          look="primary"
          icon="home"
          label={`${words.migrateTo(usual)}: ${name}`}
          title={words.migrateTo(usual)}
          disabled={action.busy.value}
          onClick={() => {
            migrate(usual);
          }}
        >
          {words.migrateTo(usual)}
        </Button>
        {others.length === 0 ? null : (
          <Menu
            label={`${words.migrateElsewhere}: ${name}`}
            icon="chevron"
            buttonClass="primary"
            disabled={action.busy.value}
            items={others.map((host) => ({
              text: words.migrateTo(host),
              detail: generation?.holders.includes(host) === true ? words.holdsEarlierState : words.holdsNothing,
              onChoose: () => {
                migrate(host);
              },
            }))}
          />
        )}
      </div>
      {asked.value === null ? null : (
        <MigrateDialog
          workspace={workspace}
          peer={asked.value}
          onClose={() => {
            asked.value = null;
          }}
        />
      )}
    </>
  );
}
