package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestServeRefuses(t *testing.T) {
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = setProcessName(strings.TrimSpace(string(comm))) })
	tests := []struct {
		name, in   string
		err, reply string // what each contains
	}{
		{"terminal", "", "not by hand", ""},
		{"garbage", "hello\n", "not by hand", ""},
		{"no start", `{"truth":true}`, "not by hand", ""},
		{"unknown service", `{"start":{"name":"shop-window"}}`, "", `no service is called`},
		{"bad address", `{"start":{"name":"shop-cart","listen":"nowhere"}}`, "", `missing port`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			err := Serve(t.Context(), strings.NewReader(tt.in), &out)
			if got := errText(err); tt.err == "" && err != nil || !strings.Contains(got, tt.err) {
				t.Errorf("error %q, want %q", got, tt.err)
			}
			if !strings.Contains(out.String(), tt.reply) {
				t.Errorf("reply %q, want %q", &out, tt.reply)
			}
		})
	}
}

// ask makes one request of a service and reports whether its status is one of those that it was told to have.
func ask(t *testing.T, name, address string) bool {
	t.Helper()
	if !orders[name].grpc {
		resp, err := http.Post("http://"+address+"/", "text/plain", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return slices.Contains([]int{200, 502, 503}, resp.StatusCode)
	}
	conn, err := connect(address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return slices.Contains([]string{"OK", "UNAVAILABLE"}, invoke(t.Context(), conn, "/shop.Shipping/Quote", []byte("body")))
}

// TestServe talks to a service as its parent does, and ends it in each way.
func TestServe(t *testing.T) {
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = setProcessName(strings.TrimSpace(string(comm))) })
	for _, name := range []string{frontendName, cartName, paymentsName, shippingName} {
		for _, end := range []string{"end of input", "context"} {
			t.Run(name+" "+end, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				in, commands := io.Pipe()
				replies, out := io.Pipe()
				ended := make(chan error, 1)
				go func() { ended <- Serve(ctx, in, out) }()

				questions, answers := json.NewEncoder(commands), json.NewDecoder(replies)
				var r reply
				if err := questions.Encode(command{Start: &start{Name: name, Listen: "127.0.0.1:0"}}); err != nil {
					t.Fatal(err)
				}
				if err := answers.Decode(&r); err != nil || r.Error != "" {
					t.Fatal(err, r.Error)
				}
				if !ask(t, name, r.Address) {
					t.Error("a status that it was not told to have")
				}
				if end == "context" {
					cancel()
				} else {
					_ = commands.Close()
				}
				if err := <-ended; err != nil {
					t.Error(err)
				}
				if c, err := net.Dial("tcp", r.Address); err == nil {
					_ = c.Close()
					t.Error("it still listens")
				}
			})
		}
	}
}

// TestSerial checks that a second request is not read before the first is answered.
func TestSerial(t *testing.T) {
	const clients, each = 6, 20 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	s, err := startSerial(l.(*net.TCPListener), order{latency: latency{{1, each}}})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var truth recorder
	out, err := newCaller("test", map[string]string{"serial": address}, &truth)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range clients {
		all.Go(func() { out.call(t.Context(), "serial", "POST", "/", make([]byte, 10_000)) })
	}
	all.Wait()
	// Only lower bounds: no machine is too slow for them.
	if d := time.Since(began); d < clients*each {
		t.Errorf("all requests took %s, so some overlapped", d)
	}
	got := truth.snapshot()
	if len(got) != 1 || got[0].Status != "200" || got[0].Count != clients {
		t.Fatalf("got %+v", got)
	}
	if want := clients * (clients + 1) / 2 * each; got[0].Sum < want {
		t.Errorf("the clients waited %s in all, want %s at least", got[0].Sum, want)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}

func TestSerialReads(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	s, err := startSerial(l.(*net.TCPListener), order{latency: latency{{1, 0}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ndone\n"
	tests := []struct {
		name   string
		pieces []string
		want   string
	}{
		{"whole", []string{"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"}, ok},
		{"pieces", []string{"G", "ET / HTTP/1.1\r\nHo", "st: x\r\nConnection: close\r\n\r", "\n"}, ok},
		{"body in pieces", []string{"PUT / HTTP/1.0\r\nContent-Length: 4\r\n\r\n", "ab", "cd"}, ok},
		{"two", []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"}, ok + ok},
		{"garbage", []string{"\x16\x03\x01\r\n\r\n"}, ""},
		{"too long", []string{"GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 100_000)}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for _, p := range tt.pieces {
				if _, err := io.WriteString(c, p); err != nil {
					break // closed before it was all sent
				}
				time.Sleep(20 * time.Millisecond) // so that it comes in a read of its own
			}
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			got, err := io.ReadAll(c)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("not closed")
			}
			if string(got) != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
