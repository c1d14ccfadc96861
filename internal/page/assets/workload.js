// One workload: its latency over time, where the time goes, its answers and its links.

import { Badge, Panel, Scroll, html, useState } from "./ui.js";
import { Sparkline, TimeChart } from "./chart.js";
import { Heatmap } from "./heatmap.js";
import { Window } from "./controls.js";
import { Classes } from "./classes.js";
import { byteRate, count, duration, percent, rate } from "./format.js";
import { CHARTS } from "./explain.js";
import * as judge from "./judge.js";
import { details, fullName, peerName } from "./names.js";
import { link } from "./route.js";

/**
 * What charts share: their time axis, and a cursor.
 * @typedef {{times: number[], cursor: number, onCursor: (i: number) => void}} Over
 */

/** @param {{data: API.WorkloadDetails, at: import("./route.js").Route}} props */
export function Workload({ data, at }) {
  const [cursor, setCursor] = useState(-1); // one for all charts: they share their time axis
  const w = data.workload;
  const times = data.times.map((t) => t * 1000);
  const over = { times, cursor: Math.min(cursor, times.length - 1), onCursor: setCursor };
  const serves = w.served.count > 0 || w.served.active > 0;
  const asks = w.client.count > 0 || w.client.active > 0;
  return html`
    <p class="back"><a href=${link({ view: "", workload: "" }, at)} data-route>← All workloads</a></p>
    <div class="title">
      <div><h1>${fullName(w)}</h1><p class="sub">${[...details(w), w.gone && "gone"].filter(Boolean).join(" · ")}</p></div>
      <${Window} at=${at} preferred="15m" data=${data} />
    </div>
    <${Verdict} w=${w} peers=${data.peers} at=${at} />
    <${Tiles} w=${w} />
    ${serves && html`<${Served} data=${data} over=${over} />`}
    ${asks && html`<${Asks} title="Requests that it makes" client=${data.client} over=${over} />`}
    ${data.protocols.map((p) => html`<${Spoken} key=${p.protocol + p.role} spoken=${p} over=${over} />`)}
    <${Peers} peers=${data.peers} />
    <div class="columns">
      ${data.statuses.length > 0 && html`<${Statuses} title="Answers" what="Method" statuses=${data.statuses} />`}
      <div class="stack">
        ${data.listeners.length > 0 && html`<${Listeners} listeners=${data.listeners} />`}
        <${Panel} title="What its connections carry"><${Classes} classes=${data.classes} /><//>
      </div>
    </div>`;
}

/**
 * What to make of the numbers.
 * @param {{w: API.Workload, peers: API.Peer[], at: import("./route.js").Route}} props
 */
function Verdict({ w, peers, at }) {
  const lossy = peers.filter(judge.losesPackets).sort((a, b) => (b.retransmit_ratio ?? 0) - (a.retransmit_ratio ?? 0));
  const queue = judge.queueSeconds(w);
  const mean = w.served.latency.mean ?? 0;
  const lines = [
    judge.overloaded(w) && html`<li><${Badge} level="bad">overloaded<//> <span>Of ${duration(mean)} that a request takes on average, it waits ${duration(queue)} unread.${mean > queue && ` The work itself takes ${duration(mean - queue)}.`} More instances or threads would help; faster code too.</span></li>`,
    ...lossy.slice(0, 3).map((p) => html`<li><${Badge} level="bad">loses packets<//> <span>The link to ${peerName(p)}: ${percent(p.retransmit_ratio)} of ${count(p.segments_sent)} segments had to be sent again.</span></li>`),
    !judge.callerOnly(w) && judge.fails(judge.shown(w)) && html`<li><${Badge} level="bad">errors<//> <span>${percent(judge.shown(w).error_ratio)} of ${count(judge.shown(w).count)} requests failed.</span></li>`,
    judge.opaque(w) && html`<li><${Badge} level="note">opaque<//> <span>${percent(w.opaque_ratio)} of its bytes cannot be read, so there are requests that are not in these numbers. <a href=${link({ view: "coverage", workload: "" }, at)} data-route>Why, and what to do</a></span></li>`,
  ].filter(Boolean);
  return lines.length > 0 && html`<section class="panel findings" aria-label="What stands out"><ul>${lines}</ul></section>`;
}

/** @param {{w: API.Workload}} props */
function Tiles({ w }) {
  const r = judge.shown(w);
  const tiles = [
    [judge.callerOnly(w) ? "Requests it makes" : "Requests", rate(r.per_second)],
    ["Errors", percent(r.error_ratio)],
    ["p50", duration(r.latency.p50)],
    ["p90", duration(r.latency.p90)],
    ["p99", duration(r.latency.p99)],
    ["Queue share", percent(judge.queueRatio(w))],
    ["Retransmits", percent(w.tcp.retransmit_ratio)],
    ...("active" in r ? [["Open now", count(r.active)], ["Oldest open", duration(r.oldest_seconds)]] : []),
  ];
  return html`<dl class="tiles">${tiles.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** @param {{data: API.WorkloadDetails, over: Over}} props */
function Served({ data, over }) {
  const s = data.series;
  const quantiles = [
    { name: "p50", class: "q-50", values: s.p50 },
    { name: "p99", class: "q-99", values: s.p99 },
  ];
  const queue = [
    { name: "service", class: "s-service", values: s.service },
    { name: "queue", class: "s-queue", values: s.queue },
  ];
  return html`
    <${Panel} title="Latency of requests"><p class="sub">${CHARTS.heatmap}</p>
      <${Heatmap} ...${over} label="Latency of requests over time" heatmap=${data.heatmap} lines=${quantiles} /><//>
    <div class="columns charts">
      <${Panel} title="Service and queue time"><p class="sub">${CHARTS.split}</p>
        <${TimeChart} ...${over} label="Mean service and queue time" series=${queue} format=${duration} /><//>
      <${Panel} title="Answers by status"><p class="sub">${CHARTS.statuses}</p>
        <${TimeChart} ...${over} label="Requests per second by status" series=${byStatus(data.statuses, over.times.length)} format=${rate} /><//>
    </div>`;
}

/**
 * Requests per second by status, summed over methods; 2xx first.
 * @param {API.Status[]} statuses
 * @param {number} n
 */
function byStatus(statuses, n) {
  /** @type {Map<string, {class: string, values: (number | null)[]}>} */
  const sums = new Map();
  for (const s of statuses) {
    const sum = sums.get(s.status)?.values ?? Array(n).fill(0);
    sums.set(s.status, { class: statusClass(s), values: sum.map((v, i) => v + (s.per_second[i] ?? 0)) });
  }
  return [...sums].sort(([a], [b]) => a.localeCompare(b)).map(([status, sum]) => ({ name: status, ...sum }));
}

/** @param {API.Status} s */
function statusClass({ status, failed }) {
  if (/^[1-5]\d\d$/.test(status)) return `s-${status[0]}xx`;
  const known = { ok: "s-2xx", OK: "s-2xx", aborted: "s-aborted", reset_by_client: "s-aborted", refused: "s-aborted", other: "s-other", overflow: "s-other", unknown: "s-other" }[status];
  return known ?? (failed ? "s-5xx" : "s-4xx"); // another word: of a server's error, or of a caller's
}

/**
 * The requests that a workload makes of others.
 * @param {{title: string, client: API.Client, over: Over}} props
 */
function Asks({ title, client, over }) {
  return html`<${Panel} title=${title}>
    <p class="sub">From the first byte written to the last byte read: the network and the other end together.</p>
    <${Latency} title=${title} client=${client} over=${over} />
    <${Scroll} label=${`${title}, by whom it asks`}><table>
      <thead><tr><th scope="col">Asks</th><th scope="col">Requests</th><th scope="col">Errors</th><th scope="col">p50</th><th scope="col">p90</th><th scope="col">p99</th></tr></thead>
      <tbody>${client.peers.map((p) => html`<tr key=${peerName(p)}><th scope="row">${peerName(p)}</th>
        <td>${rate(p.per_second)}</td><td>${percent(p.error_ratio)}${judge.fails(p) && html` <${Badge} level="bad">errors<//>`}</td>
        <td>${duration(p.latency.p50)}</td><td>${duration(p.latency.p90)}</td><td>${duration(p.latency.p99)}</td></tr>`)}</tbody>
    </table><//>
  <//>`;
}

/** @param {{title: string, client: API.Client, over: Over}} props */
function Latency({ title, client, over }) {
  const quantiles = [
    { name: "p50", class: "q-50", values: client.p50 },
    { name: "p99", class: "q-99", values: client.p99 },
  ];
  return html`<${Heatmap} ...${over} label=${`${title}: latency over time`} heatmap=${client.heatmap} lines=${quantiles} />`;
}

/**
 * What a workload serves or asks in a protocol other than HTTP.
 * @param {{spoken: API.SpokenDetails, over: Over}} props
 */
function Spoken({ spoken: s, over }) {
  const client = s.role === "client";
  const title = client ? `What it asks in ${s.title}` : `What it serves in ${s.title}`;
  return html`
    ${client ? html`<${Asks} title=${title} client=${s.details} over=${over} />` : html`<${Panel} title=${title}>
      <p class="sub">${rate(s.per_second)}, of which ${percent(s.error_ratio)} errors. For ${percent(s.queue_ratio)} of their time the requests wait unread.</p>
      <${Latency} title=${title} client=${s.details} over=${over} /><//>`}
    <${Statuses} title=${`${title}: ${s.statuses.some((o) => o.method) ? "operations" : "statuses"}`} what="Operation" statuses=${s.statuses} />`;
}

/** @param {{peers: API.Peer[]}} props */
function Peers({ peers }) {
  if (!peers.length) return null;
  return html`<${Panel} title="TCP by peer"><p class="sub">${CHARTS.peers}</p>
    <${Scroll} label="TCP by peer"><table>
      <thead><tr><th scope="col">Peer</th><th scope="col">Retransmits</th><th scope="col">over time</th><th scope="col">Segments sent</th>
        <th scope="col">Round trip</th><th scope="col">Bytes sent</th><th scope="col">Connections</th></tr></thead>
      <tbody>${peers.map((p) => html`<tr key=${p.role + peerName(p)}>
        <th scope="row">${peerName(p)}<span class="sub">${{ server: "asks it", client: "asked by it" }[/** @type {"server" | "client"} */ (p.role)] ?? ""}</span></th>
        <td>${percent(p.retransmit_ratio)}${judge.losesPackets(p) && html`<${Badge} level="bad">loses packets<//>`}<${Kinds} retransmits=${p.retransmits} /></td>
        <td>${judge.resent(p) > 0 ? html`<${Sparkline} values=${p.retransmit_ratios} />` : html`<span class="quiet">none</span>`}</td>
        <td>${count(p.segments_sent)}</td>
        <td>${duration(p.rtt.p50)}<span class="sub">p99 ${duration(p.rtt.p99)}</span></td>
        <td>${byteRate(p.bytes_sent_per_second)}<span class="sub">received ${byteRate(p.bytes_received_per_second)}</span></td>
        <td>${count(p.opened)} opened<${Broken} tcp=${p} /></td></tr>`)}</tbody>
    </table><//><//>`;
}

/** @param {{retransmits: Record<string, number>}} props */
function Kinds({ retransmits }) {
  const kinds = Object.entries(retransmits).filter(([, n]) => n > 0);
  return kinds.length > 0 && html`<span class="sub">${kinds.map(([kind, n]) => `${n} ${kind}`).join(", ")}</span>`;
}

/** @param {{tcp: API.TCP}} props */
function Broken({ tcp }) {
  const resets = tcp.resets_sent + tcp.resets_received;
  const parts = [resets > 0 && `${count(resets)} resets`, ...judge.failedConnects(tcp).map(([why, n]) => `${count(n)} ${why}`)].filter(Boolean);
  return parts.length > 0 && html`<span class="sub">${parts.join(", ")}</span>`;
}

/** @param {{title: string, what: string, statuses: API.Status[]}} props */
function Statuses({ title, what, statuses }) {
  const all = statuses.reduce((sum, s) => sum + s.count, 0);
  const named = statuses.some((s) => s.method);
  return html`<${Panel} title=${title}><${Scroll} label=${title}><table>
    <thead><tr>${named && html`<th scope="col">${what}</th>`}<th scope="col">Status</th><th scope="col">Requests</th><th scope="col">Share</th><th scope="col">Mean</th></tr></thead>
    <tbody>${statuses.map((s) => {
      const tls = s.tls ? " (TLS)" : "";
      const status = html`<span class="swatch ${statusClass(s)}"></span>${s.status}`;
      return html`<tr>${named ? html`<th scope="row">${s.method}${tls}</th><td>${status}</td>` : html`<th scope="row">${status}${tls}</th>`}
        <td>${count(s.count)}</td><td>${percent(s.count / all)}</td><td>${duration(s.mean)}</td></tr>`;
    })}</tbody>
  </table><//><//>`;
}

/** @param {{listeners: API.Listener[]}} props */
function Listeners({ listeners }) {
  return html`<${Panel} title="Where it listens"><${Scroll} label="Where it listens"><table>
    <thead><tr><th scope="col">Address</th><th scope="col">Wait for accept</th><th scope="col">May wait</th><th scope="col">Dropped</th></tr></thead>
    <tbody>${listeners.map((l) => html`<tr><th scope="row">${l.address}</th><td>${count(l.queue)}</td><td>${count(l.queue_limit)}</td>
      <td>${count(l.drops)}${l.drops > 0 && html` <${Badge} level="bad">turned away<//>`}</td></tr>`)}</tbody>
  </table><//><//>`;
}
