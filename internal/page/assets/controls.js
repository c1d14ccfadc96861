// Above a table or a chart: which ones, in which order, of which time.

import { html, useEffect, useRef, useState } from "./ui.js";
import { COLUMNS } from "./explain.js";
import { age } from "./format.js";
import { WINDOWS, current, go, link, replace } from "./route.js";

/** @param {{at: import("./route.js").Route, data: API.Head, shown: number, all: number}} props */
export function Controls({ at, data, shown, all }) {
  return html`<form class="controls" role="search" aria-label="Workloads" onSubmit=${(/** @type {Event} */ e) => e.preventDefault()}>
    <${Filter} at=${at} />
    <label class="sort-narrow">Sort by
      <select value=${(at.ascending ? "" : "-") + at.sort} onChange=${(/** @type {any} */ e) => {
        const v = e.target.value;
        go(link({ sort: v.replace(/^-/, ""), ascending: !v.startsWith("-") }, at));
      }}>
        ${COLUMNS.map((c) => [
          html`<option value=${`-${c.id}`}>${c.name} ▼</option>`,
          html`<option value=${c.id}>${c.name} ▲</option>`,
        ])}
      </select></label>
    <${Window} at=${at} preferred="5m" data=${data} />
    <p class="matches" role="status">${at.filter ? `${shown} of ${all} workloads` : all === 1 ? "1 workload" : `${all} workloads`}</p>
  </form>`;
}

/**
 * The text filters while it is typed; a link keeps it.
 * @param {{at: import("./route.js").Route}} props
 */
function Filter({ at }) {
  const [text, setText] = useState(at.filter);
  const typed = useRef(at.filter);
  useEffect(() => {
    // Effects come late: the address may be ahead of at, by what was typed since.
    const { filter } = current();
    if (filter === typed.current) return;
    typed.current = filter; // by the back button
    setText(filter);
  }, [at.filter]);
  return html`<label class="filter">Filter
    <input type="search" value=${text} placeholder="namespace, workload or pod" autocomplete="off" spellcheck=${false} onInput=${(/** @type {any} */ e) => {
      setText(e.target.value);
      typed.current = e.target.value.trim();
      replace(link({ filter: typed.current }, at));
    }} /></label>`;
}

/**
 * How much time the numbers cover.
 * @param {{at: import("./route.js").Route, preferred: string, data: API.Head}} props
 */
export function Window({ at, preferred, data }) {
  const chosen = at.window || preferred;
  const wanted = parseInt(chosen, 10) * 60;
  return html`<fieldset class="window"><legend>Of the last</legend>
    ${WINDOWS.map((w) => html`<label><input type="radio" name="window" value=${w} checked=${w === chosen}
      onChange=${() => go(link({ window: w === preferred ? "" : w }, at))} /><span>${parseInt(w, 10)} min</span></label>`)}
    ${data.window_seconds < wanted - data.interval_seconds && html`<span class="sub">${age(data.window_seconds)} so far</span>`}
  </fieldset>`;
}
