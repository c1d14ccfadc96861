// What deserves a look. The bounds are rules of thumb for the eye, not alerts; each has its reason.

/**
 * Requests that wait longer than they are worked on: the server does not keep up. Below 5 ms the wait is the
 * scheduler's: fast servers spend half of their 100 µs on being woken.
 */
const QUEUE_RATIO = 0.5;
const QUEUE_SECONDS = 0.005;

/** Healthy networks send well below 1 % again. A handful says nothing yet. */
const RETRANSMIT_RATIO = 0.01;
const RETRANSMITS = 5;

/** One request in a hundred, and more than one or two. */
const ERROR_RATIO = 0.01;
const ERRORS = 3;

/** Bytes on connections that cannot be read. */
const OPAQUE_RATIO = 0.05;

/**
 * What a row of the overview shows: what the workload serves or, if that is nothing, what it asks.
 * @param {any} w
 */
export function shown(w) {
  return w.served.count || w.served.active || !w.client.count ? w.served : w.client;
}

/** @param {any} w */
export const callerOnly = (w) => shown(w) === w.client;

/** @param {any} w */
export const overloaded = (w) => w.queue_ratio >= QUEUE_RATIO && w.queue_ratio * w.served.latency.mean >= QUEUE_SECONDS;

/**
 * TCP of a workload, or of one peer.
 * @param {any} tcp
 */
export const losesPackets = (tcp) => tcp.retransmit_ratio >= RETRANSMIT_RATIO && resent(tcp) >= RETRANSMITS;

/**
 * Segments with data that were sent again.
 * @param {any} tcp
 * @returns {number}
 */
export const resent = ({ retransmits: r }) => r.timeout + r.fast + r.probe;

/** @param {any} requests */
export const fails = (requests) => requests.error_ratio >= ERROR_RATIO && requests.error_ratio * requests.count >= ERRORS;

/** @param {any} w */
export const opaque = (w) => w.opaque_ratio >= OPAQUE_RATIO;

/**
 * The link of a workload that loses most, if it loses much: in the sums over all links it may drown.
 * @param {any} w
 */
export const lossyLink = (w) => (w.worst_link?.retransmit_ratio >= RETRANSMIT_RATIO ? w.worst_link : null);

/**
 * How often connects failed, and why: [["refused", 3]].
 * @param {any} tcp
 * @returns {[string, number][]}
 */
export const failedConnects = (tcp) => Object.entries(tcp.connect_failures).map(([why, n]) => [why.replace("_", " "), n]);
