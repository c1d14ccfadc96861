import { render } from "./vendor/preact.js";
import { App } from "./app.js";
import { html } from "./ui.js";

const root = /** @type {HTMLElement} */ (document.getElementById("app"));
root.replaceChildren();
render(html`<${App} />`, root);
