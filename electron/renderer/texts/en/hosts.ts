export const hosts = {
  title: "Hosts",
  thisHost: "This host",
  otherHosts: "Other hosts",
  emptyTitle: "No other hosts yet",
  emptyText: "Pair another computer that runs Homeward, and workspaces can move there and back.",
  emptyHint: "On each of the two, this shows the ID that the other one needs:",
};
