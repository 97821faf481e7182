/** Laying a workspace's generation down on another host. */
export const layDown = {
  on: (host: string) => `Lay it down on ${host}`,
  named: (name: string, host: string) => `Lay ${name} down on ${host}`,
  explained: "Once, so that it can move there",
  sealsFirst: "Prepares it for moving first",
  title: (host: string) => `Laying its state down on ${host}`,
  cancel: "Stop",
  cancelExplained: "What is there already stays there; the next time goes on with it.",
  keepOpen: "The workspace can be used meanwhile, and this page may be closed.",
  goOn: "Try again",
  lacking: (host: string) => `${host} has no earlier state of it to start from yet.`,
  lackingText: "Lay that down there first. It goes on here meanwhile; then press “Migrate” again.",
  inTerminal: "Or in a terminal:",
  command: (workspace: string, host: string) => `homeward push ${workspace} ${host}`,
  amount: (done: string, total: string) => `${done} of ${total}`,
};
