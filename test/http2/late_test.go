package http2

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/test/process"
)

// late is a pair of programs whose connection has carried requests before Fathom was there.
type late struct {
	name    string
	atOnce  uint64
	proxied bool
	// held is how many requests wait for their answers while Fathom comes.
	held   uint64
	begin  func(r *run) []string // starts servers, and returns the arguments of the client
	client *waiting
	*run
}

// TestLate attaches when connections have carried 300 requests each. Of what is asked behind that every exchange is counted at each end,
// or lost: at most as many as there are at the same time, until the connection is recognised. Where they passed as a whole before that,
// one is lost for all. A method or a status may be unknown, where it was added to a table before; it is never another one.
func TestLate(t *testing.T) {
	all := lates()
	for i, l := range all {
		l.run = start(t, nil, fmt.Sprintf("L%02d", i))
		l.client = l.wait("", l.begin(l.run)...)
		l.client.ready()
	}
	f := load(t)
	for _, l := range all {
		t.Run(l.name, func(t *testing.T) {
			l.T, l.f = t, f
			l.goOn()
		})
	}
}

func lates() (all []*late) {
	ours := []string{"GET /size/100", "POST /read/201 1000", "GET /now/404", "HEAD /size/100", "PUT /read/200 3000", "GET /now/503", "GET /size/100000", "DELETE /now/204"}
	files := []string{"GET /small", "GET /missing", "HEAD /small", "GET /large", "GET /missing", "GET /small"}
	for _, p := range []struct {
		name    string
		kinds   []string
		proxied bool
		serve   func(r *run) string
	}{
		{"Go", ours, false, func(r *run) string { return r.goServe(server) }},
		{"nginx", files, false, func(r *run) string { return r.nginx(server, "") }},
		{"Node", ours, false, func(r *run) string { return r.node(server) }},
		{"HAProxy before Go", ours, true, func(r *run) string { return r.haproxy(proxy, r.goServe(server)) }},
		{"Apache", files, false, func(r *run) string { return r.apache(server) }},
		{"nghttpd", files, false, func(r *run) string { return r.nghttpd(server) }},
		{"h2o", files, false, func(r *run) string { return r.h2o(server) }},
		{"hypercorn", ours, false, func(r *run) string { return r.python(server, "asgi.py") }},
		{"grpc-go", calls, false, func(r *run) string { return r.grpcServe() }},
		{"HAProxy before grpc-go", smallCalls(), true, func(r *run) string { return r.haproxy(proxy, r.grpcServe()) }},
		{"Python's grpcio", calls, false, func(r *run) string { return r.python(server, "grpc_server.py") }},
	} {
		for _, atOnce := range []int{1, 10} {
			if p.name == "hypercorn" && atOnce == 1 {
				continue // 40 ms for each request, for which TCP waits
			}
			args := goAskArgs
			if len(p.kinds) == len(calls) {
				args = grpcAskArgs
			}
			all = append(all, &late{
				name: fmt.Sprintf("%s, %d at once", p.name, atOnce), atOnce: uint64(atOnce), proxied: p.proxied, //nolint:gosec // small
				begin: func(r *run) []string {
					return args(p.serve(r), p.kinds, "-hold", "300", "-n", "300", "-c", number(atOnce))
				},
			})
		}
	}
	return append(all, &late{name: "requests that wait meanwhile", atOnce: 1, held: 10, begin: func(r *run) []string {
		return []string{"ask-raw", "late", rawServer()(r)}
	}})
}

// goOn has the client make its requests, and compares.
func (l *late) goOn() {
	l.Helper()
	l.before = l.f.snapshot()
	c := l.client.finish()
	l.both(c)
	if l.proxied {
		l.served(proxy, c)
		l.asked(proxy, c)
	}
	if l.f == nil {
		l.compareTruths()
		return
	}
	for _, line := range l.until(quiet, l.wrongly) {
		l.Error(line)
	}
	l.stop()
	s := l.f.snapshot()
	for _, e := range l.ends {
		l.Logf("%s %s: %v", e.workload, e.role, counted(s, e.workload, e.role))
	}
	l.Logf("lost %v", grown(losses(s), losses(l.before)))
}

// wrongly says what a snapshot has that is not true of programs that were there before.
func (l *late) wrongly(s *kernel.Snapshot) (lines []string) {
	var sent, seen, lost uint64
	for _, e := range l.ends {
		truth, got := e.truth(), counted(s, e.workload, e.role)
		for _, line := range unknownOr(truth, got) {
			lines = append(lines, fmt.Sprintf("%s as %s: %s", e.workload, e.role, line))
		}
		sent += truth.total()
		seen += got.total()
	}
	reasons := grown(losses(s), losses(l.before))
	maps.DeleteFunc(reasons, func(reason string, _ uint64) bool { return strings.Contains(reason, " bytes ") })
	for _, n := range reasons {
		lost += n
	}
	ends := uint64(len(l.ends))
	most, held := (l.atOnce+l.held)*ends, l.held*ends
	// What passed before an end was recognised is one gap there, which stands for any number.
	least, gaps := sent+held, reasons["gap"]
	if gaps > 0 {
		least -= l.atOnce * ends
		most += gaps
	}
	switch {
	case lost > most:
		lines = append(lines, fmt.Sprintf("lost %v, at most %d may be", reasons, most))
	case seen+lost < least || seen > sent || seen+lost > sent+held+gaps:
		lines = append(lines, fmt.Sprintf("%d counted, lost %v, of %d and %d that waited", seen, reasons, sent, held))
	}
	return lines
}

// askRawLate has requests wait for their answers while Fathom comes, and then makes others on the same connection.
func askRawLate(t *tally, addr string) error {
	c, err := dial(&tally{}, addr, 0)
	if err != nil {
		return err
	}
	for range 290 {
		c.ask("GET /200?size=100", shape{}, nil)
	}
	c.ask("GET /507", shape{}, nil) // adds its status to the table
	for range 5 {
		c.ask("PUT /207?size=100&hold", shape{}, []byte("body"))
		c.ask("GET /507?hold", shape{}, nil) // a response without a body looks like trailers
	}
	err = c.flush()
	if err == nil {
		err = c.await(10, nil)
	}
	if err == nil {
		_, err = line()
	}
	if err != nil {
		return err
	}
	_ = c.SetDeadline(time.Now().Add(process.Patience))
	c.open, c.tally = map[uint32]string{}, t
	for range 20 {
		converse(c, shape{}, toRaw(shape{}, ""))
	}
	c.ask("GET /200?release", shape{}, nil)
	if err := c.flush(); err != nil {
		return err
	}
	if err := c.await(0, nil); err != nil {
		return err
	}
	return c.end()
}
