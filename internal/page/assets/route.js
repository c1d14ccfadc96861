// The state that a link carries: which view, which workload, the filter and the order. It is in the
// query, so that links and the back button work.

/**
 * @typedef {object} Route
 * @property {string} view "" for the workloads, else "workload", "coverage" or "agent"
 * @property {string} workload the key of the opened one, in the view "workload"
 * @property {string} window what the numbers cover, such as "5m"; "" for what the view prefers
 * @property {string} filter
 * @property {string} sort name of a column
 * @property {boolean} ascending
 */

/** What one can choose for window. */
export const WINDOWS = ["1m", "5m", "15m"];

const VIEWS = ["", "workload", "coverage", "agent"];

/** @returns {Route} */
export function current() {
  const q = new URLSearchParams(location.search);
  const order = q.get("sort") ?? "-rate";
  const workload = q.get("workload") ?? "";
  const view = workload ? "workload" : (q.get("view") ?? "");
  return {
    view: VIEWS.includes(view) ? view : "",
    workload,
    window: WINDOWS.includes(q.get("window") ?? "") ? /** @type {string} */ (q.get("window")) : "",
    filter: q.get("filter") ?? "",
    sort: order.replace(/^-/, ""),
    ascending: !order.startsWith("-"),
  };
}

/**
 * The link to a route.
 * @param {Partial<Route>} change
 * @param {Route} from
 */
export function link(change, from) {
  const r = { ...from, ...change };
  const q = new URLSearchParams();
  if (r.workload && r.view === "workload") q.set("workload", r.workload);
  else if (r.view && r.view !== "workload") q.set("view", r.view);
  if (r.window) q.set("window", r.window);
  if (r.filter) q.set("filter", r.filter);
  const order = (r.ascending ? "" : "-") + r.sort;
  if (order !== "-rate") q.set("sort", order);
  const s = q.toString();
  return s ? `?${s}` : "./";
}

/**
 * Goes to a link without loading the page again.
 * @param {string} href
 */
export function go(href) {
  history.pushState(null, "", href);
  dispatchEvent(new Event("popstate"));
}

/**
 * Like go, but for what the back button should not repeat.
 * @param {string} href
 */
export function replace(href) {
  history.replaceState(null, "", href);
  dispatchEvent(new Event("popstate"));
}

/**
 * Lets plain clicks on links within the page change the route.
 * @param {MouseEvent} e
 */
export function intercept(e) {
  const a = /** @type {HTMLElement} */ (e.target).closest("a[data-route]");
  if (!a || e.button || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
  e.preventDefault();
  go(/** @type {string} */ (a.getAttribute("href")));
}
