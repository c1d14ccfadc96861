// What deserves a look. The bounds are rules of thumb for the eye, not alerts; each has its reason.

/**
 * Requests that wait longer than they are worked on: the server does not keep up. Below 5 ms the wait is the
 * scheduler's: fast servers spend half of their 100 µs on being woken.
 */
const QUEUE_RATIO = 0.5;
const QUEUE_SECONDS = 0.005;
const QUEUED = 20; // requests; fewer say nothing yet

/** Healthy networks send well below 1 % again. A handful says nothing yet. */
const RETRANSMIT_RATIO = 0.01;
const RETRANSMITS = 5;

/** One request in a hundred, and more than one or two. */
const ERROR_RATIO = 0.01;
const ERRORS = 3;

/** Bytes on connections that cannot be read. */
const OPAQUE_RATIO = 0.05;

/**
 * What a row of the overview shows: what the workload serves or, if that is nothing, what it asks; of either HTTP
 * before other protocols.
 * @param {API.Workload} w
 * @returns {API.Requests | API.Spoken}
 */
export function shown(w) {
  if (w.served.count || w.served.active) return w.served;
  const most = (/** @type {string} */ role) => w.protocols.find((p) => p.role === role);
  return most("server") ?? (w.client.count ? w.client : most("client") ?? w.served);
}

/**
 * The protocol of these requests, if that is not HTTP.
 * @param {API.Requests | API.Spoken} r
 */
export const spoken = (r) => ("protocol" in r ? r : null);

/** @param {API.Workload} w */
export const callerOnly = (w) => shown(w) === w.client || spoken(shown(w))?.role === "client";

/**
 * The share of the time of the requests shown that they waited.
 * @param {API.Workload} w
 */
export function queueRatio(w) {
  const other = spoken(shown(w));
  return other ? other.queue_ratio : w.queue_ratio;
}

/**
 * How many of these requests are open; of other protocols than HTTP that is not known.
 * @param {API.Requests | API.Spoken} r
 */
export const open = (r) => ("active" in r ? r.active : 0);

/**
 * How long its requests wait unread, on average, in seconds.
 * @param {API.Workload} w
 */
export const queueSeconds = (w) => (w.queue_ratio ?? 0) * (w.served.latency.mean ?? 0);

/** @param {API.Workload} w */
export const overloaded = (w) => (w.queue_ratio ?? 0) >= QUEUE_RATIO && queueSeconds(w) >= QUEUE_SECONDS && w.served.count >= QUEUED;

/**
 * TCP with one peer.
 * @param {API.TCP} tcp
 */
export const losesPackets = (tcp) => (tcp.retransmit_ratio ?? 0) >= RETRANSMIT_RATIO && resent(tcp) >= RETRANSMITS;

/**
 * Segments with data that were sent again.
 * @param {API.TCP} tcp
 * @returns {number}
 */
export const resent = ({ retransmits: r }) => r.timeout + r.fast + r.probe;

/** @param {{error_ratio: number | null, count: number}} requests */
export const fails = ({ error_ratio: ratio, count }) => (ratio ?? 0) >= ERROR_RATIO && (ratio ?? 0) * count >= ERRORS;

/** @param {API.Workload} w */
export const opaque = (w) => (w.opaque_ratio ?? 0) >= OPAQUE_RATIO;

/**
 * The link of a workload that loses most, if it loses much: in the sums over all links it may drown.
 * @param {API.Workload} w
 */
export const lossyLink = (w) => (w.worst_link && (w.worst_link.retransmit_ratio ?? 0) >= RETRANSMIT_RATIO ? w.worst_link : null);

/**
 * How often connects failed, and why: [["refused", 3]].
 * @param {API.TCP} tcp
 * @returns {[string, number][]}
 */
export const failedConnects = (tcp) => Object.entries(tcp.connect_failures).map(([why, n]) => [why.replace("_", " "), n]);
