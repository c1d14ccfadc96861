package integration

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// uringPaths are a server that moves every byte through an io_uring: see testdata/uring/server.c.
func uringPaths() []path {
	const (
		// What the usual mix is answered with, in 400 requests.
		want = "100 GET 200, 50 GET 404, 50 GET 304, 50 HEAD 200, 50 POST 201, 50 PUT 500, 50 DELETE 204"
		why  = "registers tell nothing about a request of an io_uring"
		// A receive may complete at the end of any system call.
		lost = "some unreadable_io_uring, any unreadable_syscall, any unreadable_socket, some read bytes unreadable"
	)
	unread := []short{{at: byRegisters, why: why, server: "-", classes: "any unreadable, any idle; any http1, any idle", lost: lost}}
	var paths []path
	for _, p := range []struct {
		name, does, way string
		but             []short
	}{
		{"buffers provided", "recv", "heads: io_uring recv into provided buffers", unread},
		{"multishot", "multishot", "heads: io_uring multishot recv", unread},
		{"recvmsg and sendmsg", "msg", "heads: io_uring recvmsg and sendmsg", unread},
		{"zero-copy send", "zerocopy", "heads: io_uring send_zc", unread},
		{"zero-copy send of a registered buffer", "fixed", "heads: io_uring send_zc of registered buffers", append(unread, short{
			at: anywhere, why: "a registered buffer is known by its pages, not by an address", server: "-",
			lost: "some unreadable_syscall, some write bytes unreadable",
		})},
	} {
		// Go's client may open a connection more than it uses.
		paths = append(paths, path{
			name: "io_uring server, " + p.name, way: p.way, want: want, classes: "any http1, any idle", but: p.but, partly: true, many: true,
			needs: noURingServer,
			run: func(pr *pair) {
				pr.Helper()
				addr, stop := serveURing(pr.T, p.does)
				r := pr.client.get(LoadCall{Addr: addr, Requests: 400, Connections: 8})
				stop()
				if d := diff(parseTally("", want), r.Counts); d != "" {
					pr.Fatalf("the client was answered otherwise:%s", d)
				}
			},
		})
	}
	return paths
}

// uringServer is what testdata/build.sh builds.
var uringServer = filepath.Join("testdata", "uring-server-"+runtime.GOARCH)

func noURingServer(here place) string {
	if here.release.before(6, 0) {
		return "multishot io_uring is not in this kernel"
	}
	if _, err := os.Stat(uringServer); err != nil && os.Getenv("FATHOM_REQUIRE_TOOLS") == "" {
		return "uring-server is not built for " + runtime.GOARCH + ": testdata/build.sh"
	}
	return ""
}

// serveURing runs the server until stop, in the way that does names.
func serveURing(t *testing.T, does string) (addr string, stop func()) {
	t.Helper()
	path, err := filepath.Abs(uringServer)
	if err != nil {
		t.Fatal(err)
	}
	return serveUntil(t, path, does)
}
