import { render } from "preact";
import { App } from "./app.tsx";
import { connectToService } from "./control/service.ts";

/** Shows the pages and connects them with the service. */
export function start(): void {
  const root = document.getElementById("app");
  if (root !== null) render(<App />, root);
  void connectToService();
}
