package main

import (
	"encoding/gob"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/test/guests/wire"
)

// port is the serial port to the host. It may be used concurrently.
type port struct {
	tty *os.File

	mu  sync.Mutex
	enc *gob.Encoder
	err error // the first one
}

// openPort opens the port without what a terminal does to bytes.
func openPort(name string) (*port, error) {
	// Blocking: the runtime's poller must not see the port, so that drain waits for everything.
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	raw := unix.Termios{Cflag: unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200}
	raw.Cc[unix.VMIN] = 1
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &raw); err != nil {
		return nil, &os.PathError{Op: "set up", Path: name, Err: err}
	}
	tty := os.NewFile(uintptr(fd), name)
	return &port{tty: tty, enc: gob.NewEncoder(tty)}, nil
}

// tell sends the message, unless sending has failed before.
func (p *port) tell(m wire.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = p.enc.Encode(m)
	}
}

// drain waits until everything has left the guest.
func (p *port) drain() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	return unix.IoctlSetInt(int(p.tty.Fd()), unix.TCSBRK, 1) // tcdrain
}

// writer makes a writer of a function that must not keep the bytes.
type writer func(p []byte)

// Write calls the function.
func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}
