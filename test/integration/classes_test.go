package integration

import (
	"testing"
)

// TestMixedClasses opens connections of every class in random order, on listeners that
// serve all of them alike: the port tells nothing.
func TestMixedClasses(t *testing.T) {
	f := share(t, settleAfter)
	before := f.count()
	p := newPair(t, f)
	listeners := []sock{p.listener(), p.server.listen(""), p.server.listen("[::1]:0")}
	frame := "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	kinds := []struct {
		class             string
		request, response string
	}{
		{"http1", get, ok},
		{"tls", clientHello, serverHello},
		{"http2", http2Preface, frame},
		{"redis", "*1\r\n$4\r\nPING\r\n", "+PONG\r\n"},
		{"other", "\x00\x9f\x92\x11", "\x01"},
		{"idle", "", ""},
	}
	want := tally{}
	r := seeded(t, 2)
	for range rounds(600) {
		k := kinds[r.IntN(len(kinds))]
		c, s := p.connectTo(listeners[r.IntN(len(listeners))])
		if k.class != "idle" {
			p.exchange(c, s, k.request, k.response)
		}
		if r.IntN(2) == 0 { // the others live until the end
			c.close()
			s.close()
		}
		want["server class "+k.class]++
		want["client class "+k.class]++
		switch k.class {
		case "http1":
			want["server GET 200"]++
			want["client GET 200"]++
		case "redis":
			want["server PING ok"]++
			want["client PING ok"]++
		}
	}
	want[nobody+" class idle"] = want["server class idle"]
	delete(want, "server class idle")
	p.client.stop()
	p.server.stop()
	f.mustMatch(t, before, want, coverage)
}
