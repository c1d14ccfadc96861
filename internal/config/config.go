// Package config holds every setting of the agent in one typed struct and fills
// it, in rising precedence, from defaults, a strict YAML file, environment
// variables and flags. Its errors name the place the value came from.
package config

import (
	"log/slog"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
)

// Agent is every setting of `fathom agent`. The struct is a command of a
// [kong] command line: once kong has parsed the flags, it has the values of all
// sources and is valid.
//
// The name of a flag, without the dashes, is its key in the file. Upper case,
// with underscores and the prefix FATHOM_, it is the environment variable.
//
// [kong]: https://github.com/alecthomas/kong
type Agent struct {
	Config string `group:"config" name:"config" env:"FATHOM_CONFIG" placeholder:"FILE" help:"YAML file with settings: the names of the flags, without dashes, as keys."`

	Listen        []string `group:"web" name:"web.listen-address" env:"FATHOM_WEB_LISTEN_ADDRESS" default:"127.0.0.1:10777" placeholder:"HOST:PORT" help:"Address to serve on; repeat for more. Default 127.0.0.1:10777."`
	WebConfigFile string   `group:"web" name:"web.config.file" env:"FATHOM_WEB_CONFIG_FILE" placeholder:"FILE" help:"TLS and basic authentication, in the format that Prometheus' exporters share."`

	LogLevel  slog.Level `group:"log" name:"log.level" env:"FATHOM_LOG_LEVEL" default:"info" placeholder:"LEVEL" help:"Least severe messages to log: debug, info, warn or error. Default info."`
	LogFormat LogFormat  `group:"log" name:"log.format" env:"FATHOM_LOG_FORMAT" default:"text" placeholder:"FORMAT" help:"text or json. Default text."`

	AttachMode    kernel.Mode   `group:"measure" name:"attach-mode" env:"FATHOM_ATTACH_MODE" default:"auto" placeholder:"MODE" help:"How to hook the taps: auto, tracepoint, trampoline or kprobe. Default auto: for each tap the best that this kernel has."`
	TLS           bool          `group:"measure" name:"tls" env:"FATHOM_TLS" help:"Read HTTPS, at the TLS libraries that processes use. The agent then keeps some of its capabilities."`
	Buckets       Buckets       `group:"measure" name:"buckets" env:"FATHOM_BUCKETS" default:"${buckets}" placeholder:"BOUND,..." help:"Upper bounds of the classic histogram buckets, in seconds (0.25) or as durations (250ms). Default ${buckets}."`
	SettleAfter   time.Duration `group:"measure" name:"settle-after" env:"FATHOM_SETTLE_AFTER" default:"5s" placeholder:"TIME" help:"How long a response that has no length must have paused to count as ended. Default 5s."`
	SweepInterval time.Duration `group:"measure" name:"sweep-interval" env:"FATHOM_SWEEP_INTERVAL" default:"1s" placeholder:"TIME" help:"How often live connections are sampled and ended ones cleared. Default 1s."`
	GracePeriod   time.Duration `group:"measure" name:"grace-period" env:"FATHOM_GRACE_PERIOD" default:"5m" placeholder:"TIME" help:"How long the series of a workload that is gone stay; at least a few scrape intervals. Default 5m."`

	MaxConnections       int `group:"limits" name:"max-connections" env:"FATHOM_MAX_CONNECTIONS" default:"32768" placeholder:"N" help:"Connections followed at one time. Default 32768."`
	MaxWorkloads         int `group:"limits" name:"max-workloads" env:"FATHOM_MAX_WORKLOADS" default:"1024" placeholder:"N" help:"Workloads known at one time. Default 1024."`
	MaxSeries            int `group:"limits" name:"max-series" env:"FATHOM_MAX_SERIES" default:"3000" placeholder:"N" help:"Series of requests of all workloads. Default 3000."`
	MaxSeriesPerWorkload int `group:"limits" name:"max-series-per-workload" env:"FATHOM_MAX_SERIES_PER_WORKLOAD" default:"256" placeholder:"N" help:"Series of requests of one workload. Default 256."`
	MaxPeers             int `group:"limits" name:"max-peers" env:"FATHOM_MAX_PEERS" default:"4096" placeholder:"N" help:"Pairs of workload and peer with TCP series. Default 4096."`
	MaxPeersPerWorkload  int `group:"limits" name:"max-peers-per-workload" env:"FATHOM_MAX_PEERS_PER_WORKLOAD" default:"128" placeholder:"N" help:"Peers of one workload with TCP series. Default 128."`
	MaxHTTP2Connections  int `group:"limits" name:"max-http2-connections" env:"FATHOM_MAX_HTTP2_CONNECTIONS" default:"1024" placeholder:"N" help:"Connections of which HTTP/2 is read at one time. Default 1024."`
	MaxStreams           int `group:"limits" name:"max-streams" env:"FATHOM_MAX_STREAMS" default:"16384" placeholder:"N" help:"Open streams of HTTP/2 beyond 64 per connection. Default 16384."`

	Kubernetes `embed:""`
}
