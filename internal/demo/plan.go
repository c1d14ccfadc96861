package demo

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
)

// The names of the demonstration's processes. The kernel shows at most 15 bytes.
const (
	loadName     = "shop-load"
	frontendName = "shop-frontend"
	cartName     = "shop-cart"
	paymentsName = "shop-payments"
	shippingName = "shop-shipping"
)

// shippingHost is where shipping listens: an address that it shares with no other service, so that the frontend's peers
// can be told apart without their ports, which are others each time.
const shippingHost = "127.0.0.2"

// dropShare is the share of the TCP packets with data that the link to the cart
// loses.
const dropShare = 0.02

// order is what one service is told to do.
type order struct {
	latency latency
	errors  float64 // share of requests answered with failure
	serial  bool    // one thread, one request at a time
	grpc    bool    // it speaks gRPC, not HTTP
	remark  string
}

// orders says what the services do.
var orders = map[string]order{
	frontendName: {
		latency: latency{{1, 2 * time.Millisecond}},
		remark:  "and what the service behind it takes; 502 if that fails",
	},
	cartName: {
		latency: latency{{0.9, 5 * time.Millisecond}, {0.1, 40 * time.Millisecond}},
		errors:  0.02,
		remark:  "behind a link that loses packets: callers wait up to 200 ms more",
	},
	paymentsName: {
		latency: latency{{1, 50 * time.Millisecond}},
		errors:  0.05,
		serial:  true,
		remark:  "one request at a time: of 16 at once, each waits 50 to 800 ms",
	},
	shippingName: {
		latency: latency{{0.85, 4 * time.Millisecond}, {0.15, 60 * time.Millisecond}},
		errors:  0.04,
		grpc:    true,
		remark:  "gRPC, all calls on one connection",
	},
}

// failure is the status of what fails.
func (o order) failure() string {
	if o.grpc {
		return statusName(codes.Unavailable)
	}
	return strconv.Itoa(http.StatusServiceUnavailable)
}

// A route is what the frontend does with one method. The methods differ, so that
// each keeps series of its own.
type route struct {
	service, method, path string
}

var routes = map[string]route{
	http.MethodGet:   {cartName, http.MethodGet, "/cart"},
	http.MethodPut:   {cartName, http.MethodPut, "/cart/items"},
	http.MethodPost:  {paymentsName, http.MethodPost, "/payments"},
	http.MethodPatch: {shippingName, grpcMethod, "/shop.Shipping/Quote"},
}

// A stream is a steady flow of requests to the frontend: so many at once, every so
// often.
type stream struct {
	method, path string
	every        time.Duration
	atOnce       int
	body         int // bytes
}

// streams is the load: 61 requests per second. The bodies of the PUT requests take
// some 23 packets each, enough to see the link's losses.
var streams = []stream{
	{method: http.MethodGet, path: "/", every: 50 * time.Millisecond, atOnce: 1},
	{method: http.MethodPut, path: "/items", every: 200 * time.Millisecond, atOnce: 1, body: 32 << 10},
	{method: http.MethodPost, path: "/checkout", every: time.Second, atOnce: 16, body: 200},
	{method: http.MethodPatch, path: "/address", every: 50 * time.Millisecond, atOnce: 1, body: 200},
}

// latency is a distribution of a few values. The shares add up to 1.
type latency []struct {
	share float64
	value time.Duration
}

// draw returns the value at p, which is uniform in [0, 1).
func (l latency) draw(p float64) time.Duration {
	for _, v := range l {
		if p -= v.share; p < 0 {
			return v.value
		}
	}
	return l[len(l)-1].value
}

// mean returns the expected value.
func (l latency) mean() time.Duration {
	var m float64
	for _, v := range l {
		m += v.share * float64(v.value)
	}
	return time.Duration(m)
}

// String returns for example "5 ms (90 %) or 40 ms (10 %)".
func (l latency) String() string {
	s := make([]string, 0, len(l))
	for _, v := range l {
		t := fmt.Sprintf("%d ms", v.value.Milliseconds())
		if len(l) > 1 {
			t += fmt.Sprintf(" (%.0f %%)", v.share*100)
		}
		s = append(s, t)
	}
	return strings.Join(s, " or ")
}
