// Names of workloads and peers.

/**
 * Namespace and name: "shop/cart", or the name alone.
 * @param {API.Identity} w
 */
export const fullName = (w) => (w.namespace ? `${w.namespace}/${w.workload}` : w.workload);

/**
 * What is known of a workload beside its name.
 * @param {API.Identity} w
 * @returns {string[]}
 */
export function details(w) {
  const kind = { unit: "systemd unit", user_unit: "user's systemd unit", container: "container", process: "process" };
  const parts = [/** @type {Record<string, string>} */ (kind)[w.workload_kind] ?? w.workload_kind];
  if (w.pod && w.pod !== w.workload) parts.push(`pod ${w.pod}`);
  if (w.container && w.container !== w.workload) parts.push(`container ${w.container}`);
  for (const [label, value] of Object.entries(w.labels ?? {})) parts.push(`${label.replace(/^(label|annotation)_/, "")} ${value}`);
  return parts.filter(Boolean);
}

/**
 * The other end of connections: an address, or a service with its namespace.
 * @param {API.End} p
 */
export function peerName(p) {
  if (p.peer) return p.peer;
  const name = p.peer_service || p.peer_workload || "unknown";
  return p.peer_namespace ? `${p.peer_namespace}/${name}` : name;
}

/**
 * Whether a filter's words are all in the names of a workload.
 * @param {API.Identity} w
 * @param {string} filter
 */
export function matches(w, filter) {
  const text = [w.namespace, w.workload, w.workload_kind, w.pod, w.container, ...Object.values(w.labels ?? {})].join(" ").toLowerCase();
  return filter.toLowerCase().split(/[\s/]+/).every((word) => text.includes(word));
}
