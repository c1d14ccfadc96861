package config

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
)

// Bounds of the settings. The kernel's clock has nanoseconds, but a bucket below a
// microsecond would measure the tap itself; the greatest bound is that of the native
// histogram.
const (
	minBound   = time.Microsecond
	maxBound   = 256 * time.Second
	maxBuckets = 30 // that of kernel.Options.Buckets
)

// problem is a setting that cannot be used.
type problem struct {
	flag string
	text string
}

// check returns the first setting that cannot be used, or nil. The web configuration
// file is read, as the server would.
func (a *Agent) check() *problem {
	return cmp.Or(
		checkAddresses(a.Listen),
		checkWebConfig(a.WebConfigFile),
		checkBuckets(a.Buckets),
		between("settle-after", a.SettleAfter, 100*time.Millisecond, 10*time.Minute),
		between("sweep-interval", a.SweepInterval, 100*time.Millisecond, time.Minute),
		between("grace-period", a.GracePeriod, time.Second, 24*time.Hour),
		// The upper limits keep a typing error from taking the host's memory: the largest
		// connection table has some 1.5 GB.
		between("max-connections", a.MaxConnections, 64, 2<<20),
		between("max-workloads", a.MaxWorkloads, 4, 64<<10),
		between("max-series", a.MaxSeries, 4, 256<<10),
		between("max-series-per-workload", a.MaxSeriesPerWorkload, 2, 256<<10),
		between("max-peers", a.MaxPeers, 4, 256<<10),
		between("max-peers-per-workload", a.MaxPeersPerWorkload, 2, 256<<10),
		between("max-http2-connections", a.MaxHTTP2Connections, 4, 256<<10),
		between("max-streams", a.MaxStreams, 64, 2<<20),
		a.Kubernetes.check(),
	)
}

func checkAddresses(addresses []string) *problem {
	const flag = "web.listen-address"
	if len(addresses) == 0 {
		return &problem{flag, "needs at least one address, as 127.0.0.1:10777"}
	}
	for i, address := range addresses {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return &problem{flag, fmt.Sprintf("%q is not HOST:PORT, as 127.0.0.1:10777 or [::1]:10777", address)}
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil {
			return &problem{flag, fmt.Sprintf("%q: the port is not a number up to 65535", address)}
		} else if n != 0 && slices.Contains(addresses[:i], address) {
			return &problem{flag, fmt.Sprintf("%q is given twice", address)}
		}
	}
	return nil
}

func checkWebConfig(path string) *problem {
	if err := web.Validate(path); err != nil {
		return &problem{"web.config.file", oneLine(fmt.Sprintf("%s: %v", path, err))}
	}
	return nil
}

func checkBuckets(bounds Buckets) *problem {
	const flag = "buckets"
	if len(bounds) == 0 || len(bounds) > maxBuckets {
		return &problem{flag, fmt.Sprintf("%d bounds: give 1 to %d", len(bounds), maxBuckets)}
	}
	for i, bound := range bounds {
		if bound < minBound || bound > maxBound {
			return &problem{flag, fmt.Sprintf("%s is not between %s and %s", bound, minBound, maxBound)}
		}
		if i > 0 && bound <= bounds[i-1] {
			return &problem{flag, fmt.Sprintf("%s after %s: bounds must ascend", bound, bounds[i-1])}
		}
	}
	return nil
}

func between[T int | time.Duration](flag string, v, low, high T) *problem {
	if v >= low && v <= high {
		return nil
	}
	return &problem{flag, fmt.Sprintf("%v is not between %v and %v", v, low, high)}
}
