/** Everything that the app's own process says to people, in one place. */
export const texts = {
  appName: "Homeward",
  open: "Open Homeward",
  quit: "Quit (machines run on)",
  noService: "No service runs",
  nothingRuns: "No machine runs here",
  running: (names: readonly string[]): string => `Running here: ${names.join(", ")}`,
  moving: (name: string, peer: string): string => `${name} moves to ${peer}`,
  arrivedTitle: (workspace: string): string => `${workspace} has arrived`,
  arrivedBody: (from: string, running: boolean): string =>
    running ? `It came from ${from} and goes on where you left it.` : `It came from ${from} and waits to be started.`,
  stalledTitle: (workspace: string): string => `${workspace} stands still`,
  stalledBody: "This computer's disk is full. It goes on by itself as soon as there is room again.",
  chooseImage: "Choose a disk image",
  diskImages: "Disk images",
  allFiles: "All files",
  failedTitle: "Homeward cannot start",
} as const;
