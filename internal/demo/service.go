package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"time"
)

// ServiceCommand is the hidden subcommand whose process is one of the services.
const ServiceCommand = "demo-service"

// The parent talks to a service in JSON over its standard input and output, since a
// conversation over HTTP would show up in the metrics. The first command is `start`.
// End of file means exit.
type (
	command struct {
		Start *start `json:"start,omitempty"`
		Truth bool   `json:"truth,omitempty"` // send what was measured so far
		Drain bool   `json:"drain,omitempty"` // stop calling others first
	}
	start struct {
		Name   string            `json:"name"`
		Listen string            `json:"listen,omitempty"`
		Peers  map[string]string `json:"peers,omitempty"` // addresses of others by name
	}
	reply struct {
		Address string  `json:"address,omitempty"`
		Calls   []Calls `json:"calls,omitempty"`
		Error   string  `json:"error,omitempty"`
	}
)

// service is one running process of the demonstration, seen from inside.
type service interface {
	// drain stops calls to others, waits for those under way and closes their
	// connections.
	drain()
	close() error
}

// Serve is one process of the demonstration: what `fathom demo-service` runs. It
// takes its orders from [Run] over in and out and returns when in ends or ctx is
// done. It names the calling process after the service.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	commands, replies := json.NewDecoder(in), json.NewEncoder(out)
	var first command
	if err := commands.Decode(&first); err != nil || first.Start == nil {
		return fmt.Errorf("%s is started by `fathom demo`, not by hand", ServiceCommand)
	}
	var truth recorder
	s, address, err := startService(ctx, *first.Start, &truth)
	if err != nil {
		return replies.Encode(reply{Error: err.Error()}) // the parent tells the user
	}
	ended := make(chan error, 1)
	go func() { ended <- obey(s, address, &truth, commands, replies) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
	}
	return errors.Join(err, s.close())
}

// obey answers the start and the commands after it, until there are no more.
func obey(s service, address string, truth *recorder, commands *json.Decoder, replies *json.Encoder) error {
	for r := (reply{Address: address}); ; {
		if err := replies.Encode(r); err != nil {
			return err
		}
		var c command
		if err := commands.Decode(&c); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if c.Drain {
			s.drain()
		}
		r = reply{Calls: truth.snapshot()}
	}
}

// startService starts what o.Name names and returns where it listens.
func startService(ctx context.Context, o start, truth *recorder) (service, string, error) {
	if err := setProcessName(o.Name); err != nil {
		return nil, "", err
	}
	out, err := newCaller(o.Name, o.Peers, truth)
	if err != nil {
		return nil, "", err
	}
	if o.Name == loadName {
		return startLoad(ctx, out), "", nil
	}
	told, ok := orders[o.Name]
	if !ok {
		return nil, "", fmt.Errorf("no service is called %q", o.Name)
	}
	// Go listens on MPTCP where the kernel has it. The demonstration is to look the
	// same everywhere.
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	l, err := config.Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, "", fmt.Errorf("start %s: %w", o.Name, err)
	}
	if told.serial {
		s, err := startSerial(l.(*net.TCPListener), told)
		return s, l.Addr().String(), err
	}
	if told.grpc {
		return startCalls(l, told), l.Addr().String(), nil
	}
	handler := told.answer
	if o.Name == frontendName {
		handler = told.forward(out)
	}
	s := &httpService{&http.Server{Handler: http.HandlerFunc(handler)}, out}
	go func() { _ = s.Serve(l) }() // ends by close
	return s, l.Addr().String(), nil
}

// setProcessName sets the name that ps and Fathom show: that of the thread group's
// leader. Unlike running the program through a symbolic link, it leaves nothing in
// the file system.
func setProcessName(name string) error {
	f, err := os.OpenFile("/proc/self/comm", os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("set process name: %w", err)
	}
	_, err = f.WriteString(name)
	return errors.Join(err, f.Close())
}

// httpService is a service on the standard library's server.
type httpService struct {
	*http.Server
	out *caller
}

func (s *httpService) drain()       { _ = s.out.close() }
func (s *httpService) close() error { return s.Close() }

// work takes the time of one request and reports whether it succeeds.
func (o order) work() bool {
	time.Sleep(o.latency.draw(rand.Float64()))
	return rand.Float64() >= o.errors
}

// workHTTP is work with the status of HTTP that comes of it.
func (o order) workHTTP() int {
	if o.work() {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}

// answer handles a request that needs no other service.
func (o order) answer(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	w.WriteHeader(o.workHTTP())
	_, _ = io.WriteString(w, "done\n")
}

// forward returns a handler that calls the service behind the request's method.
func (o order) forward(out *caller) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		to, ok := routes[r.Method]
		if !ok {
			http.Error(w, "no such route", http.StatusNotFound)
			return
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			return
		}
		status := o.workHTTP()
		if !succeeded(out.call(r.Context(), to.service, to.method, to.path, body)) {
			status = http.StatusBadGateway
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "done\n")
	}
}
