// Latency over time: a column per step, a row per range of latency, darker (in the dark: brighter)
// where more requests fell.

import { html, useState } from "./ui.js";
import { Plot, linePath } from "./chart.js";
import { clock, count, duration } from "./format.js";

/** Steps of the colour scale, as in style.css. */
const LEVELS = 7;

/**
 * @param {{times: number[], heatmap: {bounds: number[], counts: number[][]}, label: string,
 *   lines: {name: string, class: string, values: (number | null)[]}[],
 *   cursor: number, onCursor: (i: number) => void}} props
 */
export function Heatmap({ times, heatmap, label, lines, cursor, onCursor }) {
  const [row, setRow] = useState(-1);
  const { bounds, counts } = heatmap;
  const rows = bounds.length - 1;
  if (rows < 1) return html`<p class="empty">No requests in this time.</p>`;

  const height = Math.max(120, Math.min(300, rows * 9));
  const max = Math.max(1, ...counts.flat());
  const share = yOf(bounds);
  const range = (/** @type {number} */ r) => (r === 0 && bounds[0] === 0 ? `up to ${duration(bounds[1])}` : `${duration(bounds[r])} to ${duration(bounds[r + 1])}`);

  const describe = (/** @type {number} */ i) => {
    const all = counts[i].reduce((a, b) => a + b, 0);
    const quantiles = lines.map((l) => `${l.name} ${duration(l.values[i])}`).join(", ");
    if (row >= 0 && row < rows) return `${range(row)}: ${count(counts[i][row])} of ${count(all)} requests`;
    return all ? `${count(all)} requests, ${quantiles}` : "no requests";
  };
  const onKey = (/** @type {string} */ key) => {
    if (key !== "ArrowUp" && key !== "ArrowDown") return false;
    const from = row < 0 ? (key === "ArrowUp" ? -1 : rows) : row;
    setRow(Math.max(0, Math.min(rows - 1, from + (key === "ArrowUp" ? 1 : -1))));
    if (cursor < 0) onCursor(times.length - 1);
    return true;
  };
  const move = (/** @type {number} */ i) => {
    if (i < 0) setRow(-1);
    onCursor(i);
  };
  const onPoint = (/** @type {number} */ _x, /** @type {number} */ y) => setRow(Math.max(0, Math.min(rows - 1, Math.floor((1 - y) * rows))));

  const draw = (/** @type {import("./chart.js").Box} */ box) => {
    const cell = box.height / rows;
    const gap = box.step > 5 ? 1 : 0;
    const paths = Array.from({ length: LEVELS }, () => "");
    counts.forEach((column, i) => column.forEach((n, r) => {
      if (!n) return;
      const level = Math.min(LEVELS, Math.ceil(LEVELS * Math.sqrt(n / max))) - 1;
      const [x, y] = [box.x(i), box.height - (r + 1) * cell];
      paths[level] += `M${x.toFixed(1)} ${y.toFixed(1)}h${(box.step - gap).toFixed(1)}v${(cell - gap).toFixed(1)}h${(gap - box.step).toFixed(1)}z`;
    }));
    const y = (/** @type {number} */ v) => box.height * share(v);
    return html`${paths.map((d, i) => d && html`<path class="heat heat-${i + 1}" d=${d} />`)}
      ${lines.map((l) => html`<path class="halo" d=${linePath(l.values, box, y)} /><path class="line ${l.class}" d=${linePath(l.values, box, y)} />`)}
      ${cursor >= 0 && row >= 0 && row < rows && html`<rect class="cell-cursor" x=${box.x(cursor)} width=${Math.max(2, box.step)} y=${box.height - (row + 1) * cell} height=${cell} />`}`;
  };
  const at = cursor < 0 ? times.length - 1 : cursor;

  return html`<${Plot} ...${{ times, cursor, height, label, describe, draw, onKey, onPoint }} onCursor=${move} ticks=${latencyTicks(bounds, share, height)} />
    <ul class="legend" aria-hidden="true">
      <li class="ramp">1 ${paletteSwatches()} ${count(max)} requests per cell</li>
      ${lines.map((l) => html`<li><span class="swatch line-swatch ${l.class}"></span>${l.name} <b>${duration(l.values[at])}</b></li>`)}
      <li class="when">${cursor < 0 ? "latest" : `${clock(times[at])}${row >= 0 ? ` · ${describe(at)}` : ""}`}</li>
    </ul>`;
}

function paletteSwatches() {
  return Array.from({ length: LEVELS }, (_, i) => html`<span class="swatch heat-${i + 1}"></span>`);
}

/**
 * Where a latency is on the y axis, from 0 (top) to 1: rows are equally high, and within one it goes by
 * the logarithm.
 * @param {number[]} bounds
 */
function yOf(bounds) {
  const rows = bounds.length - 1;
  return (/** @type {number} */ v) => {
    if (v <= bounds[0]) return 1;
    if (v >= bounds[rows]) return 0;
    const r = bounds.findIndex((b) => b >= v) - 1;
    const part = bounds[r] > 0 ? Math.log(v / bounds[r]) / Math.log(bounds[r + 1] / bounds[r]) : v / bounds[r + 1];
    return 1 - (r + part) / rows;
  };
}

/**
 * Ticks at 1, 2 and 5 times a power of ten, as many as have room.
 * @param {number[]} bounds
 * @param {(v: number) => number} share
 * @param {number} height
 */
function latencyTicks(bounds, share, height) {
  const ticks = [];
  let last = Infinity;
  for (let power = -6; power <= 2; power++) {
    for (const m of [1, 2, 5]) {
      const v = m * 10 ** power;
      if (v < bounds[0] || v > bounds[bounds.length - 1]) continue;
      const y = share(v);
      if ((last - y) * height < 20) continue;
      ticks.push({ y, text: duration(v) });
      last = y;
    }
  }
  return ticks;
}
