// The agent itself: what it costs, and how it is attached.

import { Badge, Panel, Scroll, html, useState } from "./ui.js";
import { TimeChart } from "./chart.js";
import { Window } from "./controls.js";
import { age, bytes, count, percent, rate } from "./format.js";

/**
 * A share of one core, which is small: 0.13 %.
 * @param {number | null} v
 */
const core = (v) => (v === null || v === 0 || v >= 0.01 ? percent(v) : v < 0.0001 ? "< 0.01 %" : `${(v * 100).toFixed(2)} %`);

/** @param {{data: API.AgentReport, at: import("./route.js").Route}} props */
export function Agent({ data, at }) {
  const [cursor, setCursor] = useState(-1);
  const times = data.times.map((t) => t * 1000);
  const over = { times, cursor: Math.min(cursor, times.length - 1), onCursor: setCursor };
  const tiles = [
    ["CPU of the agent", `${core(data.cpu_ratio)} of a core`],
    ["CPU in the kernel", `${core(data.bpf_ratio)} of a core`],
    ["Memory", bytes(data.resident_bytes)],
    ["Tables in the kernel", bytes(data.table_bytes)],
    ["Series of requests", `${count(data.series)} of ${count(data.series_limit)}`],
    ["Up for", age(data.uptime_seconds)],
  ];
  const cpu = [
    { name: "agent", class: "s-service", values: data.cpu_ratios },
    { name: "in the kernel", class: "s-kernel", values: data.bpf_ratios },
  ];
  const memory = [{ name: "resident", class: "s-service", values: data.resident_bytes_at }];
  return html`
    <div class="title"><div><h1>Agent</h1><p class="sub">Fathom ${data.version} on ${data.node}: Linux ${data.kernel}, ${data.architecture}, ${data.cpus} CPUs.</p></div>
      <${Window} at=${at} preferred="15m" data=${data} /></div>
    <dl class="tiles">${tiles.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    <div class="columns charts">
      <${Panel} title="CPU"><p class="sub">Shares of one core. “In the kernel” is what the taps add to the work of others.</p>
        <${TimeChart} ...${over} label="CPU" series=${cpu} format=${core} /><//>
      <${Panel} title="Memory"><p class="sub">Of the agent's process. The tables in the kernel come on top.</p>
        <${TimeChart} ...${over} label="Memory" series=${memory} format=${bytes} /><//>
    </div>
    <div class="columns">
      <${Panel} title="Programs in the kernel"><${Scroll} label="Programs in the kernel"><table>
        <thead><tr><th scope="col">Program</th><th scope="col">Runs</th><th scope="col">CPU</th></tr></thead>
        <tbody>${data.programs.map((p) => html`<tr key=${p.name}><th scope="row">${p.name}</th><td>${rate(p.runs_per_second)}</td><td>${core(p.ratio)}</td></tr>`)}</tbody>
      </table><//><//>
      <${Panel} title="Taps"><p class="sub">Where the kernel is hooked, and how.</p><${Scroll} label="Taps"><table>
        <thead><tr><th scope="col">Tap</th><th scope="col">Mode</th></tr></thead>
        <tbody>${data.taps.map((t) => html`<tr key=${t.name}><th scope="row">${t.name}</th>
          <td>${t.mode === "none" ? html`<${Badge} level="bad">not attached<//> ${t.error}` : t.mode}</td></tr>`)}</tbody>
      </table><//><//>
    </div>
    <${Panel} title="This history"><p>The last ${age(data.history.seconds)} of at most ${age(data.history.limit_seconds)}, one sample every ${data.interval_seconds} s: ${bytes(data.history.bytes)} of at most ${bytes(data.history.limit_bytes)} for ${count(data.history.workloads)} workloads.
      ${data.history.shortened && " Older samples left early, as the memory was full."}
      ${data.history.not_shown > 0 && ` ${count(data.history.not_shown)} workloads had no room; they are complete in the metrics.`}</p><//>`;
}
