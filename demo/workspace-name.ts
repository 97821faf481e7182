/** What the demo's workspace is called on every host. */
export const WORKSPACE = "work";
