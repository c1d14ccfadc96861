// What the numbers cover, what they do not, and what to do about it.

import { Badge, Panel, Scroll, Share, html } from "./ui.js";
import { Classes, Prose, moved } from "./classes.js";
import { bytes, count, percent } from "./format.js";
import { advice } from "./explain.js";
import { Window } from "./controls.js";
import { fullName } from "./names.js";
import { link } from "./route.js";

/** @param {{data: API.CoverageReport, at: import("./route.js").Route}} props */
export function Coverage({ data, at }) {
  const opaque = data.workloads.filter((w) => (w.opaque_ratio ?? 0) > 0);
  return html`
    <div class="title"><div><h1>Coverage</h1><p class="sub">What Fathom can read of this host's TCP, and what it cannot.</p></div>
      <${Window} at=${at} preferred="15m" data=${data} /></div>
    <${Panel} title=${data.opaque_ratio === null ? "No bytes yet" : `${percent(1 - data.opaque_ratio)} of the bytes are on connections that Fathom reads`}>
      <p class="sub">TCP numbers are complete for all of them. Requests, latency and errors are those of the connections that it reads.</p>
      <${Classes} classes=${data.classes} /><//>
    <${Opaque} classes=${data.classes} />
    ${opaque.length > 0 && html`<${Workloads} workloads=${opaque} at=${at} />`}
    <${Losses} data=${data} />
    <${Tables} tables=${data.tables} />`;
}

/**
 * Why connections cannot be read, and what to do.
 * @param {{classes: API.Class[]}} props
 */
function Opaque({ classes }) {
  const rows = classes.filter((c) => !c.readable && c.class !== "idle").flatMap((c) => c.reasons.map((r) => ({ c, r })))
    .filter(({ c, r }) => r.connections > 0 || moved(c) > 0);
  return html`<${Panel} title="What is opaque, and why">
    ${rows.length === 0 ? html`<p><${Badge} level="good">nothing<//> Every connection with bytes could be read.</p>` : html`
    <${Scroll} label="What is opaque, and why"><table class="prose">
      <thead><tr><th scope="col">Class</th><th scope="col">Connections</th><th scope="col">Why</th><th scope="col">What to do</th></tr></thead>
      <tbody>${rows.map(({ c, r }) => html`<tr><th scope="row">${c.title}</th><td>${count(r.connections)}</td>
        <td>${r.reason ? html`<${Prose} text=${r.why || r.reason.replaceAll("_", " ")} />` : "By its first bytes."}</td>
        <td><${Prose} text=${advice(c, r.reason)} /></td></tr>`)}</tbody>
    </table><//>`}<//>`;
}

/** @param {{workloads: API.WorkloadCoverage[], at: import("./route.js").Route}} props */
function Workloads({ workloads, at }) {
  return html`<${Panel} title="Workloads with opaque bytes"><${Scroll} label="Workloads with opaque bytes"><table>
    <thead><tr><th scope="col">Workload</th><th scope="col">Opaque</th><th scope="col">Most of it</th><th scope="col">Bytes</th></tr></thead>
    <tbody>${workloads.map((w) => {
      const worst = w.classes.filter((c) => !c.readable && c.class !== "idle").sort((a, b) => moved(b) - moved(a))[0];
      return html`<tr key=${w.id}><th scope="row"><a href=${link({ view: "workload", workload: w.id }, at)} data-route>${fullName(w)}</a></th>
        <td><${Share} value=${w.opaque_ratio} text=${percent(w.opaque_ratio)} /></td>
        <td>${worst ? worst.title : ""}</td>
        <td>${worst ? bytes(moved(worst)) : ""}</td></tr>`;
    })}</tbody></table><//><//>`;
}

/**
 * Whether the numbers are exact.
 * @param {{data: API.CoverageReport}} props
 */
function Losses({ data }) {
  const rows = [
    ...data.lost.map((l) => ({ ...l, what: count(l.count), all: count(l.total) })),
    ...data.lost_bytes.map((l) => ({ ...l, reason: `${l.reason}, ${l.direction}`, what: bytes(l.bytes), all: bytes(l.total) })),
  ].filter((l) => l.total > 0);
  const now = data.lost.some((l) => l.count > 0) || data.lost_bytes.some((l) => l.bytes > 0);
  return html`<${Panel} title="What is lost">
    <p>${now ? html`<${Badge} level="note">not exact<//> In this time some events or bytes are missing from the numbers.` : html`<${Badge} level="good">exact<//> In this time every event and every byte is accounted for.`}</p>
    ${rows.length > 0 && html`<${Scroll} label="What is lost"><table class="prose">
      <thead><tr><th scope="col">Reason</th><th scope="col">Now</th><th scope="col">Since the start</th><th scope="col">Why</th></tr></thead>
      <tbody>${rows.map((l) => html`<tr><th scope="row">${l.reason}</th><td>${l.what}</td><td>${l.all}</td><td><${Prose} text=${l.why} /></td></tr>`)}</tbody>
    </table><//>`}<//>`;
}

/** @param {{tables: API.Table[]}} props */
function Tables({ tables }) {
  return html`<${Panel} title="Room in the kernel">
    <p class="sub">Every table has a limit. What finds one full is counted together as “overflow”; raise the limit with the agent's --max-… flags.</p>
    <${Scroll} label="Room in the kernel"><table>
      <thead><tr><th scope="col">Table</th><th scope="col">Used</th><th scope="col">Entries</th><th scope="col">Limit</th><th scope="col">Overflowed</th><th scope="col">Memory</th></tr></thead>
      <tbody>${tables.map((t) => html`<tr key=${t.name}><th scope="row">${t.name}</th><td><${Share} value=${t.used / t.limit} text=${percent(t.used / t.limit)} />${t.full && html` <${Badge} level="bad">full<//>`}</td>
        <td>${count(t.used)}</td><td>${count(t.limit)}</td><td>${count(t.overflowed)}</td><td>${bytes(t.memory_bytes)}</td></tr>`)}</tbody>
    </table><//><//>`;
}
