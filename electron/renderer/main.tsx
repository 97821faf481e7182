import "./environment.ts";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/components.css";
import "./styles/forms.css";
import "./styles/reports.css";
import "./styles/console.css";
import "./styles/move.css";

// One after the other, each in a task of its own: to make all schemas and all pages at once would hold the first page up.
await import("../../protocol/control.ts");
const { start } = await import("./start.tsx");
start();
