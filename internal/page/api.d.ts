// Generated from internal/history by "go generate ./internal/page". Do not edit.

declare namespace API {
  interface Room {
    seconds: number;
    limit_seconds: number;
    shortened: boolean;
    bytes: number;
    limit_bytes: number;
    workloads: number;
    limit_workloads: number;
    not_shown: number;
    not_shown_total: number;
    series_not_shown_total: number;
  }

  interface Head {
    time: number;
    window_seconds: number;
    interval_seconds: number;
    node: string;
    history: Room;
  }

  interface Identity {
    id: string;
    namespace: string;
    workload: string;
    workload_kind: string;
    pod: string;
    container: string;
    labels?: Record<string, string>;
  }

  interface Latency {
    mean: number | null;
    p50: number | null;
    p90: number | null;
    p99: number | null;
  }

  interface Amount {
    count: number;
    per_second: number | null;
    error_ratio: number | null;
    latency: Latency;
  }

  interface Requests extends Amount {
    active: number;
    oldest_seconds: number | null;
  }

  interface TCP {
    bytes_sent_per_second: number | null;
    bytes_received_per_second: number | null;
    segments_sent: number;
    retransmits: Record<string, number>;
    retransmit_ratio: number | null;
    connect_failures: Record<string, number>;
    resets_sent: number;
    resets_received: number;
    opened: number;
    closed: number;
    rtt: Latency;
  }

  interface End {
    peer: string;
    peer_namespace: string;
    peer_workload: string;
    peer_service: string;
  }

  interface Link extends End {
    role: string;
    segments_sent: number;
    resent: number;
    retransmit_ratio: number | null;
  }

  interface Spoken extends Amount {
    protocol: string;
    title: string;
    role: string;
    queue_ratio: number | null;
  }

  interface Sparkline {
    per_second: (number | null)[];
    p99: (number | null)[];
    error_ratio: (number | null)[];
    client_per_second: (number | null)[];
  }

  interface Workload extends Identity {
    gone: boolean;
    served: Requests;
    queue_ratio: number | null;
    client: Requests;
    tls_ratio: number | null;
    opaque_ratio: number | null;
    tcp: TCP;
    worst_link: Link | null;
    protocols: (Spoken)[];
    series: Sparkline;
  }

  interface Workloads extends Head {
    step_seconds: number;
    times: (number)[];
    workloads: (Workload)[];
  }

  interface Heatmap {
    bounds: (number)[];
    counts: ((number)[])[];
  }

  interface DetailSeries {
    per_second: (number | null)[];
    error_ratio: (number | null)[];
    p50: (number | null)[];
    p90: (number | null)[];
    p99: (number | null)[];
    queue: (number | null)[];
    service: (number | null)[];
    active: (number | null)[];
    retransmit_ratio: (number | null)[];
  }

  interface Status {
    method: string;
    status: string;
    failed: boolean;
    tls: boolean;
    count: number;
    mean: number | null;
    per_second: (number | null)[];
  }

  interface Peer extends End, TCP {
    role: string;
    retransmit_ratios: (number | null)[];
  }

  interface Listener {
    address: string;
    queue: number;
    queue_limit: number;
    drops: number;
  }

  interface ClientPeer extends End, Amount {
    statuses: (Status)[];
  }

  interface Client {
    per_second: (number | null)[];
    p50: (number | null)[];
    p90: (number | null)[];
    p99: (number | null)[];
    heatmap: Heatmap;
    peers: (ClientPeer)[];
  }

  interface SpokenDetails extends Spoken {
    details: Client;
    statuses: (Status)[];
  }

  interface ClassReason {
    reason: string;
    why: string;
    connections: number;
    connections_total: number;
  }

  interface Class {
    class: string;
    title: string;
    readable: boolean;
    advice: string;
    bytes_received: number;
    bytes_sent: number;
    bytes_received_total: number;
    bytes_sent_total: number;
    reasons: (ClassReason)[];
  }

  interface WorkloadDetails extends Head {
    step_seconds: number;
    times: (number)[];
    workload: Workload;
    heatmap: Heatmap;
    series: DetailSeries;
    statuses: (Status)[];
    peers: (Peer)[];
    listeners: (Listener)[];
    client: Client;
    protocols: (SpokenDetails)[];
    classes: (Class)[];
  }

  interface WorkloadCoverage extends Identity {
    opaque_ratio: number | null;
    classes: (Class)[];
  }

  interface Lost {
    reason: string;
    why: string;
    count: number;
    total: number;
  }

  interface LostBytes {
    direction: string;
    reason: string;
    why: string;
    bytes: number;
    total: number;
  }

  interface Table {
    name: string;
    used: number;
    limit: number;
    overflowed: number;
    overflowed_total: number;
    memory_bytes: number;
    full: boolean;
  }

  interface CoverageReport extends Head {
    opaque_ratio: number | null;
    classes: (Class)[];
    workloads: (WorkloadCoverage)[];
    lost: (Lost)[];
    lost_bytes: (LostBytes)[];
    tables: (Table)[];
  }

  interface Tap {
    name: string;
    mode: string;
    error: string;
  }

  interface Program {
    name: string;
    runs_per_second: number | null;
    ratio: number | null;
  }

  interface AgentReport extends Head {
    version: string;
    revision: string;
    go_version: string;
    architecture: string;
    kernel: string;
    cpus: number;
    attach_mode: string;
    taps: (Tap)[];
    tls: boolean;
    started: number;
    uptime_seconds: number;
    cpu_ratio: number | null;
    resident_bytes: number | null;
    bpf_ratio: number | null;
    programs: (Program)[];
    series: number;
    series_limit: number;
    table_bytes: number;
    step_seconds: number;
    times: (number)[];
    cpu_ratios: (number | null)[];
    bpf_ratios: (number | null)[];
    resident_bytes_at: (number | null)[];
  }
}
