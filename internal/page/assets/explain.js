// What the columns mean, and what to do about what cannot be read. The words of the metrics are in
// docs/metrics.md; these are shorter.

/**
 * @typedef {object} Column
 * @property {string} id
 * @property {string} name
 * @property {string} why
 */

/**
 * The columns of the overview.
 * @type {Column[]}
 */
export const COLUMNS = [
  { id: "name", name: "Workload", why: "Who: the Kubernetes workload and pod, the systemd unit, the container or the process." },
  { id: "rate", name: "Requests", why: "Requests per second that it answered: in HTTP, or in another protocol if that is all it serves. For a workload that only asks others: that it made." },
  { id: "errors", name: "Errors", why: "Share of its requests that ended with a status of 5xx (in other protocols: with an error), or with a broken connection before any status." },
  { id: "p50", name: "p50", why: "Half of its requests took no longer than this, from the arrival of the first byte to the last byte of the answer." },
  { id: "p90", name: "p90", why: "Nine in ten of its requests took no longer than this." },
  { id: "p99", name: "p99", why: "99 in 100 of its requests took no longer than this." },
  { id: "queue", name: "Queue share", why: "Share of the requests' time that they waited, arrived but unread, as the workload was busy with others. High: it is overloaded, and more instances or threads would help." },
  { id: "retransmits", name: "Retransmits", why: "Share of the TCP segments it sent that had to be sent again; of its worst link if one stands out. High: the network between the two loses packets." },
];

/** The rest of the time. */
export const CHARTS = {
  heatmap: "Each column is a moment, each row a range of latency; the stronger the colour, the more requests. Two bands are two kinds of requests, a band that widens is one that gets uneven.",
  split: "Mean time of a request: how long it waited in the socket until the workload read it (queue), and what the workload then took (service). Slow service: look into the code or what it calls. Long queue: too few workers.",
  statuses: "Requests per second by what they were answered with. “aborted”: the connection ended before a status; “reset_by_client”, “reset_by_server”, “refused”: a stream of HTTP/2 did.",
  peers: "TCP with each other end. Who has retransmits with one peer only has a bad link to it; with all peers, look at its own host.",
};

/**
 * What to do about a reason, where the class does not say it.
 * @type {Record<string, string>}
 */
const REASON_ADVICE = {
  joined: "Connections opened from now on are seen from their beginning.",
  attached_late: "The next connection is read. Restart the client or wait.",
  java: "Nothing yet: put a proxy that ends TLS before it, or read its TCP numbers.",
  malformed_file: "Check the file with `fathom doctor --pid`; if it is sound, report it.",
  no_session: "A proxy that passes TLS on has no plaintext: look at the programs behind it.",
  no_symbols: "Do not strip the program (of OpenSSL in a static binary the symbols are needed).",
  not_permitted: "Run the agent as root, or with the capabilities that docs/kernels.md names for `--tls`.",
  not_yet: "Processes that live longer are read. Nothing to do for short ones.",
  unknown_library: "OpenSSL, BoringSSL, GnuTLS and Go are known. Report others.",
  table_full: "Raise `--max-http2-connections`: each takes 4.5 KB.",
  upgraded: "WebSockets and tunnels carry no requests. Nothing to do.",
  untapped: "`splice()` and zero-copy pass by the agent. Their TCP numbers are complete.",
  io_uring: "Start the agent with `--attach-mode=trampoline`.",
  compat32: "Start the agent with `--attach-mode=trampoline`.",
};

/** @param {API.Class} c @param {string} reason */
export function advice(c, reason) {
  return REASON_ADVICE[reason] ?? c.advice;
}
