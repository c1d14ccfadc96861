// What connections carry, by class: a bar, and in words why some cannot be read.

import { html } from "./ui.js";
import { bytes, count, percent } from "./format.js";

/** @param {API.Class} c @returns {number} */
export const moved = (c) => c.bytes_received + c.bytes_sent;

/**
 * The classes as one bar with a legend.
 * @param {{classes: API.Class[]}} props
 */
export function Classes({ classes }) {
  const total = classes.reduce((sum, c) => sum + moved(c), 0);
  const parts = classes.filter((c) => moved(c) > 0);
  if (!total) return html`<p class="empty">No bytes in this time.</p>`;
  return html`<div class="bar" aria-hidden="true">${parts.map((c) => html`<span class="k-${c.class}" style=${{ flexGrow: moved(c) / total }}></span>`)}</div>
    <ul class="legend">${parts.map((c) => html`<li><span class="swatch k-${c.class}"></span>${c.title} <b>${percent(moved(c) / total)}</b>${" "}
      <span class="quiet">${bytes(moved(c))}, ${count(c.reasons.reduce((n, r) => n + r.connections, 0))} new connections</span></li>`)}</ul>`;
}

/**
 * A sentence of the API, whose code is in backquotes.
 * @param {{text: string}} props
 */
export function Prose({ text }) {
  return html`${text.split("`").map((part, i) => (i % 2 ? html`<code>${part}</code>` : part))}`;
}
