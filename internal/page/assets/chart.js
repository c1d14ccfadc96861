// Charts over time, as SVG: crisp at every size, coloured by the style sheet in light and dark, and
// with a cursor that arrow keys move and a screen reader reads.

import { html, useWidth } from "./ui.js";
import { clock } from "./format.js";

/** Room for the axes, in pixels. */
const LEFT = 52;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 22;
/** A step is no wider than this. */
const WIDEST = 40;

/**
 * The frame that all charts share: axes, cursor, keys.
 * @typedef {object} Frame
 * @property {number[]} times when each step ended, in milliseconds
 * @property {number} cursor index of the step that the cursor is on, or -1
 * @property {(index: number) => void} onCursor
 * @property {number} height of the plot without axes
 * @property {string} label what the chart is, for a screen reader
 * @property {(index: number) => string} describe what it shows at a step
 * @property {{y: number, text: string}[]} ticks of the y axis; y is 0 at the top and 1 at the bottom
 * @property {(box: Box) => any} draw
 * @property {(key: string) => boolean} [onKey] handles further keys
 * @property {(x: number, y: number) => void} [onPoint] is told where the pointer is, in shares of the plot
 */

/** @typedef {{width: number, height: number, x: (index: number) => number, step: number}} Box */

/** @param {Frame} props */
export function Plot({ times, cursor, onCursor, height, label, describe, ticks, draw, onKey, onPoint }) {
  const [ref, outer] = useWidth();
  const width = Math.max(0, outer - LEFT - RIGHT);
  const n = times.length;
  const step = n ? Math.min(width / n, WIDEST) : 0;
  const left = width - n * step; // a young history fills the plot from the right
  const box = { width, height, step, x: (/** @type {number} */ i) => left + i * step };
  const at = cursor < 0 ? n - 1 : Math.min(cursor, n - 1);

  const keys = /** @type {Record<string, number>} */ ({
    ArrowLeft: at - 1, ArrowRight: at + 1, PageUp: at - 10, PageDown: at + 10, Home: 0, End: n - 1,
  });
  const onKeyDown = (/** @type {KeyboardEvent} */ e) => {
    if (e.key in keys) onCursor(Math.max(0, Math.min(n - 1, keys[e.key])));
    else if (e.key === "Escape" && cursor >= 0) onCursor(-1);
    else if (!onKey?.(e.key)) return;
    e.preventDefault();
  };
  const onPointer = (/** @type {PointerEvent} */ e) => {
    if (!step) return;
    const r = /** @type {Element} */ (e.currentTarget).getBoundingClientRect();
    const x = e.clientX - r.left - LEFT;
    onCursor(Math.max(0, Math.min(n - 1, Math.floor((x - left) / step))));
    onPoint?.(x / width, (e.clientY - r.top - TOP) / height);
  };

  return html`<div class="plot" ref=${ref} tabindex="0" role="slider" aria-label=${label} aria-orientation="horizontal"
      aria-valuemin="0" aria-valuemax=${Math.max(0, n - 1)} aria-valuenow=${Math.max(0, at)}
      aria-valuetext=${n ? `${clock(times[at])}: ${describe(at)}` : "nothing yet"}
      onKeyDown=${onKeyDown} onPointerMove=${onPointer} onPointerDown=${onPointer} onPointerLeave=${() => onCursor(-1)}
      onBlur=${() => onCursor(-1)}>
    ${width > 0 && html`<svg width=${outer} height=${height + TOP + BOTTOM} aria-hidden="true">
      <g transform="translate(${LEFT} ${TOP})">
        ${ticks.map((t) => html`<line class="grid" x1="0" x2=${width} y1=${t.y * height} y2=${t.y * height} />
          <text class="tick" x="-6" y=${t.y * height} dy="0.35em" text-anchor="end">${t.text.replace(/\.0(?=[ /])/, "")}</text>`)}
        ${draw(box)}
        ${timeTicks(times, width, step).map((t) => html`<text class="tick" x=${t.x} y=${height + 16} text-anchor=${t.anchor}>${t.text}</text>`)}
        <line class="axis" x1="0" x2=${width} y1=${height + 0.5} y2=${height + 0.5} />
        ${cursor >= 0 && cursor < n && html`<rect class="cursor" x=${box.x(cursor)} width=${Math.max(1, step)} y="0" height=${height} />`}
      </g>
    </svg>`}
  </div>`;
}

/**
 * Labels of the time axis: how long ago.
 * @param {number[]} times
 * @param {number} width of the plot
 * @param {number} step width of a step
 */
function timeTicks(times, width, step) {
  if (times.length < 2 || !step) return [];
  const perPixel = (times[times.length - 1] - times[0]) / (times.length - 1) / step;
  const least = width * perPixel > 120e3 ? 30e3 : 10e3; // no "1.2 min"
  const every = [10e3, 30e3, 60e3, 120e3, 300e3].find((e) => e >= least && e / perPixel >= 50) ?? 600e3;
  const ticks = [{ x: width, text: "now", anchor: "end" }];
  for (let ago = every; width - ago / perPixel >= 20; ago += every) {
    ticks.push({ x: width - ago / perPixel, text: ago < 60e3 ? `−${ago / 1e3} s` : `−${+(ago / 60e3).toFixed(1)} min`, anchor: "middle" });
  }
  return ticks;
}

/**
 * Round values for a y axis from 0 to at least max: 3 to 5 of them.
 * @param {number} max
 */
export function niceTicks(max) {
  if (!(max > 0)) return [0, 1];
  const power = 10 ** Math.floor(Math.log10(max / 3));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => max / s <= 4) ?? power * 10;
  const ticks = [0];
  while (ticks[ticks.length - 1] < max) ticks.push(ticks.length * step);
  return ticks;
}

/**
 * @typedef {object} Series
 * @property {string} name
 * @property {string} class its colour
 * @property {(number | null)[]} values null where nothing was measured
 */

/**
 * Series over time, on top of each other.
 * @param {{times: number[], series: Series[], label: string, format: (v: number | null) => string,
 *   cursor: number, onCursor: (i: number) => void}} props
 */
export function TimeChart({ times, series, label, format, cursor, onCursor }) {
  const height = 140;
  const tops = stack(series);
  const max = Math.max(0, ...tops.flatMap((s) => s.map((v) => v ?? 0)));
  const values = niceTicks(max);
  const top = values[values.length - 1];
  const ticks = values.map((v) => ({ y: 1 - v / top, text: format(v) }));
  const at = cursor < 0 ? times.length - 1 : cursor;
  const describe = (/** @type {number} */ i) => series.map((s) => `${s.name} ${format(s.values[i] ?? null)}`).join(", ");

  const draw = (/** @type {Box} */ box) => {
    const y = (/** @type {number} */ v) => box.height * (1 - v / top);
    return series.map((s, i) => html`<path class="area ${s.class}" d=${areaPath(tops[i], tops[i - 1], box, y)} />`);
  };
  return html`<${Plot} ...${{ times, cursor, onCursor, height, label, describe, ticks, draw }} />
    <ul class="legend" aria-hidden="true">
      ${series.map((s) => html`<li><span class="swatch ${s.class}"></span>${s.name} <b>${format(s.values[at] ?? null)}</b></li>`)}
      <li class="when">${times.length ? (cursor < 0 ? "latest" : clock(times[at])) : ""}</li>
    </ul>`;
}

/**
 * The upper edges of series that lie on each other; null where none has a value.
 * @param {Series[]} series
 * @returns {(number | null)[][]}
 */
function stack(series) {
  /** @type {(number | null)[]} */
  let below = [];
  return series.map(({ values }) => {
    below = values.map((v, i) => (v === null && (below[i] ?? null) === null ? null : (v ?? 0) + (below[i] ?? 0)));
    return below;
  });
}

/**
 * Runs of steps that have a value, as [first, last].
 * @param {(number | null)[]} values
 */
function runs(values) {
  /** @type {[number, number][]} */
  const found = [];
  values.forEach((v, i) => {
    if (v === null || v === undefined) return;
    const last = found[found.length - 1];
    if (last && last[1] === i - 1) last[1] = i;
    else found.push([i, i]);
  });
  return found;
}

/** @param {(number | null)[]} values @param {Box} box @param {(v: number) => number} y */
export function linePath(values, box, y) {
  return runs(values).map(([a, b]) => {
    const points = [];
    for (let i = a; i <= b; i++) points.push(`${(box.x(i) + box.step / 2).toFixed(1)} ${y(values[i] ?? 0).toFixed(1)}`);
    if (a === b) return `M${box.x(a).toFixed(1)} ${y(values[a] ?? 0).toFixed(1)}h${box.step.toFixed(1)}`;
    return `M${points.join("L")}`;
  }).join("");
}

/**
 * Steps, filled down to the series below.
 * @param {(number | null)[]} values @param {(number | null)[] | undefined} below @param {Box} box @param {(v: number) => number} y
 */
function areaPath(values, below, box, y) {
  return runs(values).map(([a, b]) => {
    let forth = `M${box.x(a).toFixed(1)} ${y(below?.[a] ?? 0).toFixed(1)}`;
    let back = "";
    for (let i = a; i <= b; i++) {
      const [x, right] = [box.x(i).toFixed(1), box.x(i + 1).toFixed(1)];
      forth += `L${x} ${y(values[i] ?? 0).toFixed(1)}H${right}`;
      back = `L${right} ${y(below?.[i] ?? 0).toFixed(1)}H${x}${back}`;
    }
    return `${forth}${back}Z`;
  }).join("");
}

/**
 * Closes the area below a line.
 * @param {[number, number]} run
 * @param {Box} box
 */
function foot([a, b], box) {
  const [left, right] = a === b ? [box.x(a), box.x(b + 1)] : [box.x(a) + box.step / 2, box.x(b) + box.step / 2];
  return `L${right.toFixed(1)} ${box.height}H${left.toFixed(1)}Z`;
}

/**
 * The course of one number, without axes. What it shows is in the numbers beside it, so a screen reader passes it over.
 * @param {{values: (number | null)[]}} props
 */
export function Sparkline({ values }) {
  const width = 96;
  const height = 24;
  const max = Math.max(1e-9, ...values.map((v) => v ?? 0));
  const step = values.length ? width / values.length : 0;
  const box = { width, height, step, x: (/** @type {number} */ i) => i * step };
  const y = (/** @type {number} */ v) => 2 + (height - 4) * (1 - v / max);
  const line = linePath(values, box, y);
  const area = runs(values).map((run) => linePath(values.map((v, i) => (i < run[0] || i > run[1] ? null : v)), box, y) + foot(run, box)).join("");
  return html`<svg class="spark" viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" aria-hidden="true">
    <path class="area spark-area" d=${area} />
    <path class="line spark-line" d=${line} />
  </svg>`;
}
