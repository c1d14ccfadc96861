// The frame of the page: what is shown, how fresh it is, and how to get elsewhere.

import { html, useEffect, useRef, useState } from "./ui.js";
import { useClock, useReport } from "./api.js";
import { age, clock } from "./format.js";
import * as route from "./route.js";
import { Overview } from "./overview.js";
import { Workload } from "./workload.js";
import { Coverage } from "./coverage.js";
import { Agent } from "./agent.js";

/** Answers that bring nothing new for so long, in seconds, mean that the agent has stopped to measure. */
const STALE = 20;

/** @type {Record<string, {path: (r: route.Route) => string, title: (r: route.Route, data: any) => string, view: any}>} */
const VIEWS = {
  "": { path: (r) => `workloads?window=${r.window || "5m"}`, title: () => "Workloads", view: Overview },
  workload: {
    path: (r) => `workload?id=${encodeURIComponent(r.workload)}&window=${r.window || "15m"}`,
    title: (_, data) => data?.workload.workload ?? "Workload", view: Workload,
  },
  coverage: { path: (r) => `coverage?window=${r.window || "15m"}`, title: () => "Coverage", view: Coverage },
  agent: { path: (r) => `agent?window=${r.window || "15m"}`, title: () => "Agent", view: Agent },
};

export function App() {
  const [at, setAt] = useState(route.current);
  const [paused, setPaused] = useState(false);
  useEffect(() => {
    const follow = () => setAt(route.current());
    addEventListener("popstate", follow);
    return () => removeEventListener("popstate", follow);
  }, []);

  const { path, title, view: View } = VIEWS[at.view];
  const report = useReport(path(at), paused);
  const heading = title(at, report.data);
  useEffect(() => {
    document.title = `${heading} · Fathom`;
  }, [heading]);
  useFocusOnChange(`${at.view} ${at.workload}`);

  return html`<div onClick=${route.intercept}>
    <${Header} at=${at} report=${report} paused=${paused} onPause=${() => setPaused(!paused)} />
    <main id="main" tabindex="-1">
      <${Trouble} report=${report} />
      ${report.data
        ? html`<${View} data=${report.data} at=${at} />`
        : html`<${Waiting} report=${report} at=${at} />`}
    </main>
  </div>`;
}

/**
 * After a change of view the keyboard and screen readers go on at its beginning.
 * @param {string} what
 */
function useFocusOnChange(what) {
  const before = useRef(what);
  useEffect(() => {
    if (before.current === what) return;
    before.current = what;
    scrollTo(0, 0);
    document.getElementById("main")?.focus({ preventScroll: true });
  }, [what]);
}

/** @param {{at: route.Route, report: import("./api.js").Report, paused: boolean, onPause: () => void}} props */
function Header({ at, report, paused, onPause }) {
  const tabs = [["", "Workloads"], ["coverage", "Coverage"], ["agent", "Agent"]];
  const skip = (/** @type {Event} */ e) => {
    e.preventDefault();
    document.getElementById("main")?.focus();
  };
  return html`<header>
    <a class="skip" href="#main" onClick=${skip}>Skip to the numbers</a>
    <p class="brand"><a href=${route.link({ view: "", workload: "" }, at)} data-route>Fathom</a>
      ${report.data && html`<span class="node">${report.data.node}</span>`}</p>
    <nav aria-label="Views">
      ${tabs.map(([view, name]) => html`<a href=${route.link({ view, workload: "" }, at)} data-route
        aria-current=${at.view === view || (at.view === "workload" && !view) ? "page" : null}>${name}</a>`)}
    </nav>
    <${Freshness} report=${report} paused=${paused} />
    <button type="button" class="pause" aria-pressed=${paused} onClick=${onPause}>${paused ? "Resume" : "Pause"}</button>
  </header>`;
}

/**
 * How fresh the numbers are.
 * @param {{report: import("./api.js").Report, paused: boolean}} props
 */
function Freshness({ report, paused }) {
  const now = useClock(!paused);
  const { changed, error, status } = report;
  if (paused) return html`<p class="fresh">paused${changed ? ` at ${clock(changed)}` : ""}</p>`;
  if (!changed) return html`<p class="fresh">connecting</p>`;
  const old = (now - changed) / 1000;
  if (error) return html`<p class="fresh lost">${status ? "error" : "not connected"} · ${age(old)} old</p>`;
  if (old > STALE) return html`<p class="fresh lost">no new numbers · ${age(old)} old</p>`;
  return html`<p class="fresh live"><span class="pulse" aria-hidden="true"></span>live · ${age(old)} old</p>`;
}

/**
 * Says when the agent does not answer while older numbers are shown.
 * @param {{report: import("./api.js").Report & {retry?: () => void}}} props
 */
function Trouble({ report }) {
  const { error, status, changed, data } = report;
  return html`<div role="status">
    ${data && error && html`<div class="trouble">
      <p><b>${status ? "The agent answers with an error." : "Not connected: the agent does not answer."}</b>
      ${" "}These numbers are of ${clock(changed)}. The page asks again every 5 s. ${status ? `It said: ${error}` : html`Is it still running? <code>systemctl status fathom</code>`}</p>
      <button type="button" onClick=${report.retry}>Ask now</button>
    </div>`}
  </div>`;
}

/**
 * Before the first numbers, or instead of them.
 * @param {{report: import("./api.js").Report & {retry?: () => void}, at: route.Route}} props
 */
function Waiting({ report, at }) {
  const { status, error } = report;
  if (status === 404 && at.view === "workload") {
    return html`<div class="panel empty"><h1>Not in the last 15 minutes</h1>
      <p>No workload with this link was measured here in that time. It may be gone, or run on another host.</p>
      <p><a href=${route.link({ view: "", workload: "" }, at)} data-route>All workloads</a></p></div>`;
  }
  if (status === 503) {
    return html`<div class="panel empty"><h1>Measuring has begun</h1><p>The first numbers come within 10 s. This page shows them by itself.</p></div>`;
  }
  if (error) {
    return html`<div class="panel empty"><h1>${status ? "The agent answers with an error" : "Not connected"}</h1>
      <p>${status ? error : "The agent does not answer. Is it still running?"} The page asks again every 5 s.</p>
      <p><button type="button" onClick=${report.retry}>Ask now</button></p></div>`;
  }
  return html`<p class="empty" aria-busy="true">Loading …</p>`;
}
