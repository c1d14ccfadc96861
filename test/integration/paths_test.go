package integration

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// path is one way in which HTTP, or something else, crosses a socket.
type path struct {
	name string
	run  func(*pair)
	// way, if not empty, is the row of docs/modes.md that this path fills, see ways_test.go.
	way string

	// What follows is what a Fathom counts that sees everything. but tells where and why it does not: the
	// first one that holds counts.
	but []short

	// want lists the exchanges that both ends must count, for example
	// "2 GET 200, POST 413". server and client replace it for one end; "-" is none.
	want, server, client string
	// class of all connections; "" is http1. classes, if not empty, lists
	// them for both ends instead ("2 tls, idle"), or for the server's and the
	// client's ("idle; http1").
	class, classes string
	// lost lists what must be counted as lost, by reason, in events and in bytes:
	// "REASON" or "2 read bytes REASON".
	lost string
	// partly: not all bytes and requests are those of the helpers' workloads.
	partly bool
	// many: of so many exchanges that some run is skipped each time where the kernel may skip them.
	many bool
	// needs tells why the path cannot be gone here; "" if it can.
	needs func(place) string
}

// short is what Fathom counts where it does not see everything.
type short struct {
	at  where
	why string
	// What differs, in the form of the fields of path.
	server, client, classes, lost string
}

// short returns how Fathom falls short of the path in a place.
func (p path) short(here place) short {
	for _, s := range p.but {
		if s.at(here) {
			return s
		}
	}
	return short{}
}

// at returns the path as it is in a place.
func (p path) at(here place) path {
	s := p.short(here)
	for _, field := range []struct {
		of  *string
		now string
	}{{&p.server, s.server}, {&p.client, s.client}, {&p.classes, s.classes}, {&p.lost, s.lost}} {
		if field.now != "" {
			*field.of = field.now
		}
	}
	return p
}

// expected returns the counts that the path must lead to.
func (p path) expected(pr *pair) tally {
	out := tally{}
	add := func(more tally) {
		for k, n := range more {
			if n >= whatever {
				out[k] = n
			} else {
				out[k] += n
			}
		}
	}
	serverClasses, clientClasses, ok := strings.Cut(p.classes, ";")
	if !ok {
		clientClasses = serverClasses
	}
	for _, end := range []struct{ side, own, classes string }{
		{"server ", p.server, serverClasses}, {"client ", p.client, clientClasses},
	} {
		switch end.own {
		case "":
			add(parseTally(end.side, p.want))
		case "-":
		default:
			add(parseTally(end.side, end.own))
		}
		add(parseTally(end.side+"class ", end.classes))
	}
	if p.classes == "" {
		class := p.class
		if class == "" {
			class = "http1"
		}
		add(tally{"server class " + class: pr.accepted, "client class " + class: pr.dialed})
	}
	// An accepted connection that its server never read or wrote is nobody's, and so are
	// the subflows of MPTCP.
	for _, class := range []string{" class idle", " class mptcp"} {
		out[nobody+class] += out["server"+class]
		delete(out, "server"+class)
	}
	add(pr.made)
	add(parseTally("lost ", p.lost))
	if p.lost == "" && !p.partly {
		for _, h := range pr.helpers {
			if h.name == serverName {
				add(tally{"server bytes sent": h.sent, "client bytes received": h.sent})
			} else {
				add(tally{"client bytes sent": h.sent, "server bytes received": h.sent})
			}
		}
		for name, n := range out {
			if strings.HasPrefix(name, "server ") && exchanges(name) {
				out["server queued"] += n
			}
		}
	}
	return out
}

// allPaths is the table: what Fathom must count, or must count as lost, on every way
// that it knows.
func allPaths() []path {
	var all []path
	for _, family := range [][]path{
		plainPaths(), piecePaths(), callPaths(), flagPaths(), responsePaths(), streamPaths(), uploadPaths(),
		pipelinePaths(), abortPaths(), socketPaths(), processPaths(), olderPaths(), otherPaths(), hostilePaths(),
		unseenPaths(), unreadablePaths(), uringPaths(), missedPaths(), {randomPath()},
	} {
		all = append(all, family...)
	}
	return all
}

func TestPaths(t *testing.T) {
	f := share(t, settleAfter)
	w := newWalker(t, f)
	here := pathsHere(t)
	start, all, ways, skipped := count(w.last), len(here) == len(allPaths()), true, tally{}
	for _, p := range here {
		ran := false
		t.Run(p.name, func(t *testing.T) {
			ran = true
			if p.needs != nil {
				if why := p.needs(f.place); why != "" {
					maps.Copy(skipped, parseTally("lost ", p.at(f.place).lost))
					t.Skip(why)
				}
			}
			w.walk(t, p)
		})
		all = all && ran
		ways = ways && (ran || p.way == "")
	}
	if all {
		end := f.count()
		allForced(t, f.place, slices.Sorted(maps.Keys(end)), end.sub(start), skipped)
	}
	if ways {
		w.observed.write(t)
	}
}

// pair is a server and a client process, with a listener between them.
type pair struct {
	*testing.T
	f                *fathom
	server, client   *proc
	helpers          []*proc
	take             *os.File // where more servers receive descriptors
	l                sock
	dialed, accepted uint64
	made             tally // exchanges that the path made besides those it lists
	elsewhere        bool  // the processes are in a network namespace of the path
}

// used tells whether the processes cannot serve another path.
func (p *pair) used() bool {
	return p.elsewhere || len(p.helpers) != 2 || p.client.ended() || p.server.ended()
}

func newPair(t *testing.T, f *fathom) *pair {
	p := &pair{T: t, f: f, made: tally{}}
	p.startHelpers(nil)
	return p
}

func (p *pair) startHelpers(ns *netns) {
	p.Helper()
	p.elsewhere = ns != nil
	var pass *os.File
	pass, p.take = pipe(p.T)
	p.server, p.client = start(p.T, serverName, ns, pass), start(p.T, clientName, ns)
	p.helpers = []*proc{p.client, p.server}
}

// listener returns the server's listener, made on first use.
func (p *pair) listener() sock {
	if p.l.p == nil {
		p.l = p.server.listen("")
	}
	return p.l
}

// connect returns the two ends of a new connection, the client's first.
func (p *pair) connect() (c, s sock) {
	p.Helper()
	return p.connectTo(p.listener())
}

func (p *pair) connectTo(l sock, clientOpts ...Opt) (c, s sock) {
	p.Helper()
	c = p.client.dial(l.addr, clientOpts...)
	s = l.accept()
	p.dialed++
	p.accepted++
	return c, s
}

// exchange sends a request and its response in one call each.
func (p *pair) exchange(c, s sock, request, response string) {
	p.Helper()
	c.send(request)
	s.expect(request)
	s.send(response)
	c.expect(response)
}

// pause is longer than exchanges may rest before they are settled; it gives the
// sweep a chance to do so.
func (p *pair) pause() {
	time.Sleep(settleAfter + 100*time.Millisecond)
	p.f.snapshot()
}
