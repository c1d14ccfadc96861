// All workloads: what stands out, and a table that sorts by every column.

import { Badge, Share, html, useState } from "./ui.js";
import { Sparkline } from "./chart.js";
import { byteRate, duration, percent, rate } from "./format.js";
import { COLUMNS } from "./explain.js";
import { Findings } from "./findings.js";
import { Controls } from "./controls.js";
import * as judge from "./judge.js";
import { details, fullName, matches, peerName } from "./names.js";
import { go, link } from "./route.js";

/**
 * What a column sorts by.
 * @type {Record<string, (w: API.Workload) => number | string | null>}
 */
const SORT = {
  name: fullName,
  rate: (w) => (judge.shown(w).count ? judge.shown(w).per_second : null),
  errors: (w) => judge.shown(w).error_ratio,
  p50: (w) => judge.shown(w).latency.p50,
  p90: (w) => judge.shown(w).latency.p90,
  p99: (w) => judge.shown(w).latency.p99,
  queue: judge.queueRatio,
  retransmits: (w) => (judge.lossyLink(w) ?? w.tcp).retransmit_ratio,
};

/** @param {{data: API.Workloads, at: import("./route.js").Route}} props */
export function Overview({ data, at }) {
  const all = data.workloads;
  const rows = sorted(all.filter((w) => matches(w, at.filter)), at);
  return html`<h1 class="visually-hidden">Workloads</h1>
    ${quiet(all) ? html`<${Quiet} />` : rows.length > 0 && html`<${Findings} workloads=${rows} at=${at} />`}
    <${Controls} at=${at} data=${data} shown=${rows.length} all=${all.length} />
    ${rows.length || !at.filter
      ? html`<${Table} rows=${rows} at=${at} />`
      : html`<p class="panel empty">No workload matches “${at.filter}”. The filter looks at namespace, workload, kind, pod and container.</p>`}
    ${data.history.not_shown > 0 && html`<p class="note">${data.history.not_shown} more workloads had no room here. They are complete in <a href="metrics">metrics</a>.</p>`}
    <${Legend} />`;
}

/** @param {API.Workload[]} workloads @param {import("./route.js").Route} at */
function sorted(workloads, { sort, ascending }) {
  const value = SORT[sort] ?? SORT.rate;
  const sign = ascending ? 1 : -1;
  return workloads.slice().sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === y) return fullName(a).localeCompare(fullName(b)) || a.id.localeCompare(b.id);
    if (x === null) return 1; // without a number: last either way
    if (y === null) return -1;
    return sign * (typeof x === "string" ? x.localeCompare(String(y)) : Number(x) - Number(y));
  });
}

/** @param {{rows: API.Workload[], at: import("./route.js").Route}} props */
function Table({ rows, at }) {
  return html`<div class="panel table-panel"><table class="workloads" role="table">
    <caption class="visually-hidden">Workloads. The buttons in the head sort.</caption>
    <thead role="rowgroup"><tr role="row">${COLUMNS.map((c) => html`<${Head} key=${c.id} column=${c} at=${at} />`)}</tr></thead>
    <tbody role="rowgroup">${rows.map((w) => html`<${Row} key=${w.id} w=${w} at=${at} />`)}</tbody>
  </table></div>`;
}

/**
 * The head of a column: sorts, and explains the column while it has the pointer or the focus.
 * @param {{column: import("./explain.js").Column, at: import("./route.js").Route}} props
 */
function Head({ column: { id, name, why }, at }) {
  const [hidden, setHidden] = useState(false); // by Escape, until the next visit
  const active = at.sort === id;
  // A first click shows the largest numbers first, but names from A to Z.
  const ascending = active ? !at.ascending : id === "name";
  const direction = at.ascending ? "ascending" : "descending";
  const show = () => setHidden(false);
  return html`<th role="columnheader" scope="col" class="c-${id}" aria-sort=${active ? direction : null}
      onMouseLeave=${show} onKeyDown=${(/** @type {KeyboardEvent} */ e) => e.key === "Escape" && setHidden(true)}>
    <button type="button" aria-describedby="why-${id}" onClick=${() => go(link({ sort: id, ascending }, at))} onBlur=${show}>
      ${name}<span class="arrow" aria-hidden="true">${active ? (at.ascending ? "▲" : "▼") : ""}</span></button>
    <span class="tip" role="tooltip" id="why-${id}" hidden=${hidden}>${why}</span>
  </th>`;
}

/** @type {("p50" | "p90" | "p99")[]} */
const QUANTILES = ["p50", "p90", "p99"];

/** @param {{w: API.Workload, at: import("./route.js").Route}} props */
function Row({ w, at }) {
  const r = judge.shown(w);
  const caller = judge.callerOnly(w);
  const lossy = judge.lossyLink(w);
  const other = judge.spoken(r);
  const spark = other ? [] : caller ? w.series.client_per_second : w.series.per_second;
  const name = fullName(w);
  const tcp = (w.tcp.bytes_sent_per_second ?? 0) + (w.tcp.bytes_received_per_second ?? 0);
  return html`<tr role="row" class=${r.count ? "" : "no-http"}>
    <th role="rowheader" scope="row" class="c-name">
      <a href=${link({ view: "workload", workload: w.id }, at)} data-route>${name}</a>
      <span class="sub">${[...details(w), w.gone && "gone", other?.title, caller && "only asks others"].filter(Boolean).join(" · ")}</span>
    </th>
    <td role="cell" class="c-rate" data-name="Requests">
      ${r.count || judge.open(r)
        ? html`${spark.length > 0 && html`<${Sparkline} values=${spark} />`}<span class="amount">${rate(r.per_second)}</span>`
        : html`<span class="quiet">no HTTP${tcp > 0 ? ` · TCP ${byteRate(tcp)}` : ""}</span>`}
      ${judge.opaque(w) && html`<a class="mark" href=${link({ view: "coverage", workload: "" }, at)} data-route><${Badge} level="note">${percent(w.opaque_ratio)} opaque<//></a>`}
    </td>
    <td role="cell" class="c-errors" data-name="Errors">${percent(r.error_ratio)}${judge.fails(r) && html`<${Badge} level="bad">errors<//>`}</td>
    ${QUANTILES.map((q) => html`<td role="cell" class="c-${q}" data-name=${q}>${duration(r.latency[q])}</td>`)}
    <td role="cell" class="c-queue" data-name="Queue share">
      <${Share} value=${judge.queueRatio(w)} text=${percent(judge.queueRatio(w))} />${judge.overloaded(w) && html`<${Badge} level="bad">overloaded<//>`}</td>
    <td role="cell" class="c-retransmits" data-name="Retransmits">${percent((lossy ?? w.tcp).retransmit_ratio)}${lossy && html`<${Badge} level="bad">loses packets<//>`}${lossy && html`<span class="sub">to ${peerName(lossy)}</span>`}</td>
  </tr>`;
}

/** The same explanations for those who have neither pointer nor keyboard. */
function Legend() {
  return html`<details class="explain"><summary>What the columns mean</summary>
    <dl>${COLUMNS.map((c) => html`<dt>${c.name}</dt><dd>${c.why}</dd>`)}</dl></details>`;
}

/** The agent itself, which answers this page. */
const OWN = /^fathom(\.service)?$/;

/**
 * Whether nothing has asked for anything yet, but those who look at the agent.
 * @param {API.Workload[]} workloads
 */
const quiet = (workloads) => !workloads.some((w) => (w.served.count > 0 || w.protocols.some((p) => p.role === "server")) && !OWN.test(w.workload));

/** Nothing was measured yet: what to do. */
function Quiet() {
  return html`<section class="panel empty" aria-labelledby="quiet">
    <h2 id="quiet">No requests yet</h2>
    <p>The agent measures. Since it was started, no HTTP request has reached a process of this host, but for those of this page.</p>
    <ul>
      <li>Send a request to a service of this host: it shows here within 10 s.</li>
      <li>Nothing to ask? <code>sudo fathom demo</code> (<code>make run</code> in the repository) starts a demonstration.</li>
      <li>There is traffic, and it does not show? It may be encrypted: see <a href="?view=coverage" data-route>what can be read</a>. Or something does not work here: <code>sudo fathom doctor</code> says what.</li>
    </ul></section>`;
}
