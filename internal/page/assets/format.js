// Numbers as people read them: two or three digits and a unit.

/** What stands where there is no number. */
export const NONE = "–";

/** @param {number | null | undefined} v @returns {v is null | undefined} */
const missing = (v) => v === null || v === undefined || Number.isNaN(v);

/**
 * Digits for a number that is shown with a unit: 0.12, 3.4, 34, 340.
 * @param {number} v
 */
function digits(v) {
  const a = Math.abs(v);
  if (a === 0) return "0";
  if (a < 0.995) return v.toFixed(2);
  if (a < 9.95) return v.toFixed(1);
  return v.toFixed(0);
}

/** @param {number} v @param {number} base @param {string[]} prefixes */
function scaled(v, base, prefixes) {
  let i = 0;
  while (Math.abs(v) >= base * 0.9995 && i < prefixes.length - 1) {
    v /= base;
    i++;
  }
  return `${digits(v)} ${prefixes[i]}`;
}

/**
 * Events per second: 0.12/s, 41/s, 1.2 k/s.
 * @param {number | null | undefined} v
 */
export function rate(v) {
  if (missing(v)) return NONE;
  if (v > 0 && v < 0.01) return "< 0.01/s";
  return `${scaled(v, 1000, ["", "k", "M", "G"]).trim()}/s`;
}

/**
 * Seconds: 850 µs, 34 ms, 1.2 s, 5 min.
 * @param {number | null | undefined} v
 */
export function duration(v) {
  if (missing(v)) return NONE;
  if (v === 0) return "0 s";
  if (v < 0.9995e-6) return "< 1 µs";
  if (v < 0.9995e-3) return `${digits(v * 1e6)} µs`;
  if (v < 0.9995) return `${digits(v * 1e3)} ms`;
  if (v < 119.5) return `${digits(v)} s`;
  if (v < 7200) return `${digits(v / 60)} min`;
  return `${digits(v / 3600)} h`;
}

/**
 * A share of 1 in per cent: 0 %, < 0.1 %, 2.1 %, 91 %.
 * @param {number | null | undefined} v
 */
export function percent(v) {
  if (missing(v)) return NONE;
  if (v === 0) return "0 %";
  if (v < 0.001) return "< 0.1 %";
  if (v < 0.0995) return `${(v * 100).toFixed(1)} %`;
  if (v < 1 && v >= 0.995) return "> 99 %";
  return `${(v * 100).toFixed(0)} %`;
}

/**
 * Bytes: 512 B, 1.2 kB, 34 MB.
 * @param {number | null | undefined} v
 */
export function bytes(v) {
  if (missing(v)) return NONE;
  return scaled(v, 1000, ["B", "kB", "MB", "GB", "TB", "PB"]);
}

/**
 * Bytes per second.
 * @param {number | null | undefined} v
 */
export function byteRate(v) {
  return missing(v) ? NONE : `${bytes(v)}/s`;
}

/**
 * A count: 12, 3,418.
 * @param {number | null | undefined} v
 */
export function count(v) {
  return missing(v) ? NONE : Math.round(v).toLocaleString("en");
}

/**
 * Time of day of a time in milliseconds: 14:03:20.
 * @param {number} ms
 */
export function clock(ms) {
  return new Date(ms).toLocaleTimeString("en-GB");
}

/**
 * How long something took or is ago, in seconds: 4 s, 3 min.
 * @param {number} s
 */
export function age(s) {
  if (s < 119.5) return `${Math.max(0, Math.round(s))} s`;
  if (s < 7170) return `${Math.round(s / 60)} min`;
  return `${Math.round(s / 3600)} h`;
}
