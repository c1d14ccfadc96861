package page

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/fathomhq/fathom/test/process"
)

// startDemo starts the demonstration and returns the address of its agent.
func startDemo(t *testing.T) string {
	t.Helper()
	address := process.FreeAddress(t)
	process.Start(t, process.Fathom, "demo", "--web.listen-address="+address).WaitReady("http://" + address + "/readyz")
	return address
}

// startOpaque makes requests over TLS, which an agent without --tls cannot read, until the test ends.
func startOpaque(t *testing.T) {
	t.Helper()
	body := bytes.Repeat([]byte("opaque "), 2000)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	end := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		for {
			select {
			case <-end:
				return
			case <-time.After(100 * time.Millisecond):
			}
			if resp, err := client.Get(server.URL); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		}
	})
	t.Cleanup(func() {
		close(end)
		asking.Wait()
		server.Close()
	})
}

// serve serves a handler until the test ends.
func serve(t *testing.T, handler http.HandlerFunc) (address string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}
