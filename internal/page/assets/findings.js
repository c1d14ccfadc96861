// What stands out, in words and above everything else, so that nobody has to read a table to find it.

import { Badge, html } from "./ui.js";
import { duration, percent } from "./format.js";
import * as judge from "./judge.js";
import { fullName, peerName } from "./names.js";
import { link } from "./route.js";

/** @param {{workloads: API.Workload[], at: import("./route.js").Route}} props */
export function Findings({ workloads, at }) {
  const of = (/** @type {API.Workload} */ w) => html`<a href=${link({ view: "workload", workload: w.id }, at)} data-route>${fullName(w)}</a>`;
  const most = (/** @type {(w: API.Workload) => unknown} */ test, /** @type {(w: API.Workload) => number} */ by) =>
    workloads.filter(test).sort((a, b) => by(b) - by(a));

  const failing = most((w) => !judge.callerOnly(w) && judge.fails(judge.shown(w)), (w) => judge.shown(w).error_ratio ?? 0);
  const lossy = most(judge.lossyLink, (w) => w.worst_link?.retransmit_ratio ?? 0);
  const sum = (/** @type {API.Workload} */ w) => judge.failedConnects(w.tcp).reduce((n, [, m]) => n + m, 0);
  const connects = (/** @type {API.Workload} */ w) => judge.failedConnects(w.tcp).map(([why, n]) => `${n} ${why}`).join(", ");
  const refused = most((w) => sum(w) > 0, sum);
  const found = [
    ...most(judge.overloaded, judge.queueSeconds).map((w) => html`<li key=${`q${w.id}`}><${Badge} level="bad">overloaded<//>
      <span>${of(w)}: requests wait ${duration(judge.queueSeconds(w))} of ${duration(w.served.latency.mean)}, on average, before it reads them.</span></li>`),
    ...lossy.map((w) => w.worst_link && html`<li key=${`r${w.id}`}><${Badge} level="bad">loses packets<//>
      <span>${of(w)}: the link to ${peerName(w.worst_link)}; ${percent(w.worst_link.retransmit_ratio)} of the segments had to be sent again.</span></li>`),
    failing.length > 0 && html`<li key="e"><${Badge} level="bad">errors<//>
      <span>${failing.slice(0, NAMED).map((w, i) => html`${i > 0 && ", "}${of(w)} ${percent(judge.shown(w).error_ratio)}`)}${failing.length > NAMED && ` and ${failing.length - NAMED} more`} of the requests failed.</span></li>`,
    refused.length > 0 && html`<li key="c"><${Badge} level="note">connects fail<//>
      <span>${refused.slice(0, NAMED).map((w, i) => html`${i > 0 && "; "}${of(w)}: ${connects(w)}`)}${refused.length > NAMED && ` and ${refused.length - NAMED} more`}.</span></li>`,
  ].filter(Boolean);
  return html`<section class="panel findings" aria-labelledby="findings">
    <h2 id="findings">What stands out</h2>
    ${found.length ? html`<ul>${found.slice(0, MOST)}</ul>` : html`<p><${Badge} level="good">calm<//> No workload is overloaded, no link loses packets, no service fails more than 1 % of its requests.</p>`}
    ${found.length > MOST && html`<p class="sub">and ${found.length - MOST} more, marked in the table</p>`}
  </section>`;
}

/** More lines, and more names in a line, than these are a table; and there is one below. */
const MOST = 6;
const NAMED = 5;
