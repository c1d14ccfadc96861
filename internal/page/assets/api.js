// Asks the agent for numbers, again and again, and knows how old they are.

import { useEffect, useRef, useState } from "./ui.js";

/** Between two questions, in milliseconds; the agent samples as often. */
const EVERY = 5000;
/** How long an answer may take. */
const PATIENCE = 10000;

/**
 * @typedef {object} Report what is known of an end point
 * @property {string} path with which it was asked
 * @property {any} data its last answer, or null
 * @property {string} error why there is no newer one; empty if all is well
 * @property {number} status of the last answer, 0 without one
 * @property {number} changed when the agent's numbers last changed, in milliseconds of this browser's clock
 */

/**
 * Polls an end point for as long as the page is visible and not paused.
 * @param {string} path relative to api/v1/
 * @param {boolean} paused
 * @returns {Report & {retry: () => void}}
 */
export function useReport(path, paused) {
  const key = path.replace(/window=[^&]*/, ""); // another window changes the numbers, not what they are of
  const [reports, setReports] = useState(/** @type {Record<string, Report>} */ ({}));
  const again = useRef(() => {});
  useEffect(() => {
    if (paused && reports[key]?.path === path) return; // what was not shown yet is asked for once
    let timer = 0;
    const abort = new AbortController();
    const ask = async () => {
      clearTimeout(timer);
      if (document.hidden) return; // visibilitychange asks again
      const answer = await get(path, abort.signal);
      if (abort.signal.aborted) return;
      setReports((old) => keep(old, key, next(old[key], path, answer)));
      clearTimeout(timer);
      if (!paused) timer = setTimeout(ask, EVERY);
    };
    again.current = ask;
    if (!paused) document.addEventListener("visibilitychange", ask);
    ask();
    return () => {
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", ask);
    };
  }, [path, paused]);
  const report = reports[key] ?? { path, data: null, error: "", status: 0, changed: 0 };
  return { ...report, retry: () => again.current() };
}

/** @param {string} path @param {AbortSignal} signal @returns {Promise<{status: number, data: any, error: string}>} */
async function get(path, signal) {
  const late = new AbortController();
  const stop = () => late.abort();
  const timer = setTimeout(stop, PATIENCE);
  signal.addEventListener("abort", stop);
  try {
    const response = await fetch(`api/v1/${path}`, { signal: late.signal });
    if (response.ok) return { status: response.status, data: await response.json(), error: "" };
    const text = (await response.text()).trim();
    return { status: response.status, data: null, error: text || response.statusText };
  } catch {
    return { status: 0, data: null, error: late.signal.aborted ? `no answer within ${PATIENCE / 1000} s` : "no connection" };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}

/** Reports kept for the way back. */
const KEPT = 4;

/**
 * Adds a report, and forgets the oldest ones.
 * @param {Record<string, Report>} old
 * @param {string} key
 * @param {Report} report
 */
function keep(old, key, report) {
  const others = Object.entries(old).filter(([k]) => k !== key);
  return Object.fromEntries([...others.slice(-KEPT + 1), [key, report]]);
}

/**
 * The report after an answer: without one, the numbers of before and why.
 * @param {Report | undefined} old
 * @param {string} path
 * @param {{status: number, data: any, error: string}} answer
 * @returns {Report}
 */
function next(old, path, { status, error, data }) {
  if (!old) return { path, data, error, status, changed: data ? Date.now() : 0 };
  if (!data) return { ...old, error, status };
  const same = old.data?.time === data.time; // the same sample
  if (same && old.path === path) return { ...old, error, status }; // nothing to draw
  return { path, data, error, status, changed: same ? old.changed : Date.now() };
}

/**
 * Draws again every second, for texts that say how old something is.
 * @param {boolean} on
 */
export function useClock(on) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [on]);
  return now;
}
