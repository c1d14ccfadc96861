package http2

import (
	"bytes"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/net/http2"
	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/test/process"
)

// readBytes are received at once: more than a peer is likely to have waiting, and the most that the figure is for.
const readBytes = 65536

// BenchmarkReads prints what the hook of one read of 64 KB takes that is made to take long: valid frames, and more than a peer may send.
//
//	go test ./test/http2 -run '^$' -bench Reads -benchtime 50x
func BenchmarkReads(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("loading BPF programs needs root")
	}
	stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		b.Fatal(err)
	}
	defer stats.Close()
	k, err := kernel.Open(b.Context(), kernel.Options{Mode: kernel.Mode(os.Getenv("FATHOM_ATTACH_MODE"))})
	if err != nil {
		b.Fatalf("load: %+v", err)
	}
	defer k.Close()
	frames := func(frame string) func(*wire) {
		return func(w *wire) {
			for w.out.Len() < readBytes {
				w.out.WriteString(frame)
			}
		}
	}
	requests := func(field string) func(*wire) {
		id := uint32(1)
		return func(w *wire) {
			for w.out.Len() < readBytes {
				_ = w.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: []byte(field), EndStream: true, EndHeaders: true})
				id += 2
			}
		}
	}
	block := func(field string) func(*wire) {
		fields := bytes.Repeat([]byte(field), 16384/len(field))
		id := uint32(1)
		return func(w *wire) {
			_ = w.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: fields, EndStream: true})
			for range 2 {
				_ = w.WriteContinuation(id, false, fields)
			}
			_ = w.WriteContinuation(id, true, fields)
			id += 2
		}
	}
	for _, kind := range []struct {
		name string
		make func(*wire)
	}{
		{"DATA of 16 KB", func(w *wire) {
			for range 4 {
				_ = w.WriteData(1, false, make([]byte, 16384-9))
			}
		}},
		{"frames without payload", frames("\x00\x00\x00\x04\x01\x00\x00\x00\x00")},
		{"WINDOW_UPDATE", frames("\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x01")},
		{"RST_STREAM", frames("\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08")},
		{"requests of seven fields", requests("\x82\x86\x84\x90\x8f\x93\x9a")},
		{"requests of three fields", requests("\x82\x86\x84")},
		{"requests of one field", requests("\x82")},
		{"one-byte fields of no interest", block("\x90")},
		{"one-byte fields that are methods", block("\x82")},
		{"literals of three bytes", block("\x40\x00\x00")},
	} {
		b.Run(kind.name, func(b *testing.B) {
			here, there := pairOfSockets(b)
			w := newWire(here, 0)
			w.out.WriteString(http2.ClientPreface)
			_ = w.WriteSettings()
			receive := func() {
				n := w.out.Len()
				if err := w.flush(); err != nil {
					b.Fatal(err)
				}
				for deadline := time.Now().Add(process.Patience); ; {
					waiting, err := unix.IoctlGetInt(there, unix.SIOCINQ)
					if err != nil {
						b.Fatal(err)
					}
					if waiting == n {
						break
					}
					if time.Now().After(deadline) {
						b.Fatal("it does not arrive")
					}
				}
				if got, err := unix.Read(there, make([]byte, n)); err != nil || got != n {
					b.Fatalf("read %d of %d bytes: %v", got, n, err)
				}
			}
			receive()
			var spent time.Duration
			for range b.N {
				kind.make(w)
				before := timeOfReads(b)
				receive()
				spent += timeOfReads(b) - before
			}
			b.ReportMetric(float64(spent.Microseconds())/1000/float64(b.N), "ms/read")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// timeOfReads is what the programs have taken so far that see reads.
func timeOfReads(b *testing.B) (all time.Duration) {
	b.Helper()
	for id, err := ebpf.ProgramGetNextID(0); ; id, err = ebpf.ProgramGetNextID(id) {
		if errors.Is(err, os.ErrNotExist) {
			return all
		}
		if err != nil {
			b.Fatal(err)
		}
		p, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue // it is gone
		}
		if info, err := p.Info(); err == nil && strings.Contains(info.Name, "read") {
			if stats, err := p.Stats(); err == nil {
				all += stats.Runtime
			}
		}
		_ = p.Close()
	}
}

// pairOfSockets is a connection whose other end is read by its descriptor.
func pairOfSockets(b *testing.B) (here net.Conn, there int) {
	b.Helper()
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4*readBytes) })
		return errors.Join(err, failed)
	}}
	config.SetMultipathTCP(false)
	l, err := config.Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	if here, err = net.Dial("tcp", l.Addr().String()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = here.Close() })
	c, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	file, err := c.(*net.TCPConn).File()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = file.Close() })
	return here, int(file.Fd())
}
