import "./environment.ts";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/components.css";
import "./styles/forms.css";
import "./styles/reports.css";
import "./styles/console.css";
import "./styles/move.css";
import { render } from "preact";
import { App } from "./app.tsx";
import { connectToService } from "./control/service.ts";

const root = document.getElementById("app");
if (root !== null) render(<App />, root);
void connectToService();
