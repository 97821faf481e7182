export const history = {
  title: "History",
  emptyTitle: "Nothing has moved yet",
  emptyText: "Every move of a workspace is listed here, with what it cost and what was saved.",
  columns: { when: "When", workspace: "Workspace", way: "Way", outcome: "Outcome", sent: "Sent", took: "Took" },
  to: (host: string) => `to ${host}`,
  from: (host: string) => `from ${host}`,
  outcome: { done: "Arrived", cancelled: "Cancelled", dropped: "Dropped" } as Readonly<Record<string, string>>,
};
