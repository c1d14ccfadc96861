package demo

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// serial is a server with one thread, as a single-threaded runtime or a
// synchronous worker process is: it reads one request, works, answers, and only
// then reads the next, of the connection that has waited longest.
//
// It is written on epoll because Go's own server is not like that. There, a goroutine
// per connection reads every request at once, and a mutex around the work would
// make them wait inside the process. Here they wait where those of an overloaded server
// wait: in the receive buffers of their sockets, unread.
type serial struct {
	order    order
	epoll    int
	file     *os.File // the listener
	listener int
	open     map[int]*bytes.Buffer // what was read of the next request, by connection
	ended    chan struct{}
}

// startSerial takes l over.
func startSerial(l *net.TCPListener, o order) (*serial, error) {
	file, err := l.File() // a duplicate that Go's poller does not watch
	if err != nil {
		return nil, fmt.Errorf("take the listener: %w", err)
	}
	if err := l.Close(); err != nil {
		return nil, fmt.Errorf("close the duplicated listener: %w", err)
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	s := &serial{
		order: o, epoll: epoll, file: file, listener: int(file.Fd()),
		open: make(map[int]*bytes.Buffer), ended: make(chan struct{}),
	}
	if err := unix.SetNonblock(s.listener, true); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	if err := s.watch(s.listener); err != nil {
		return nil, err
	}
	go s.run()
	return s, nil
}

func (s *serial) drain() {}

// close ends the loop and all connections.
func (s *serial) close() error {
	// The listener becomes ready, and accept fails.
	if err := unix.Shutdown(s.listener, unix.SHUT_RDWR); err != nil {
		return os.NewSyscallError("shutdown", err)
	}
	<-s.ended
	return s.file.Close()
}

func (s *serial) watch(fd int) error {
	e := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &e))
}

func (s *serial) run() {
	runtime.LockOSThread() // one thread, as told
	defer close(s.ended)
	// One event at a time: epoll puts a descriptor that is still ready at the end of
	// its queue, so that all have their turn.
	var event [1]unix.EpollEvent
	for {
		n, err := unix.EpollWait(s.epoll, event[:], -1)
		switch fd := int(event[0].Fd); {
		case err == unix.EINTR || err == nil && n == 0:
		case err != nil, fd == s.listener && !s.accept():
			for fd := range s.open {
				s.drop(fd)
			}
			_ = unix.Close(s.epoll)
			return
		case fd != s.listener && !s.serve(fd):
			s.drop(fd)
		}
	}
}

// accept takes all waiting connections, and reads nothing from them. It returns false
// when the listener has ended.
func (s *serial) accept() bool {
	for {
		fd, _, err := unix.Accept4(s.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case err == unix.EAGAIN:
			return true
		case err == unix.EINTR || err == unix.ECONNABORTED:
		case err != nil:
			return false
		default:
			s.open[fd] = new(bytes.Buffer)
			if s.watch(fd) != nil {
				s.drop(fd)
			}
		}
	}
}

// serve reads what came on a connection and answers if that completes a request.
// It returns false when the connection is to be closed.
func (s *serial) serve(fd int) bool {
	const limit = 64 << 10 // more than any request of the demonstration
	chunk := make([]byte, 4<<10)
	n, err := unix.Read(fd, chunk)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return true
	}
	got := s.open[fd]
	if err != nil || n <= 0 || got.Len()+n > limit {
		return false
	}
	got.Write(chunk[:n])
	if !bytes.Contains(got.Bytes(), []byte("\r\n\r\n")) {
		return true // the rest of the head is to come
	}

	rest := bytes.NewReader(got.Bytes())
	r, err := http.ReadRequest(bufio.NewReader(rest))
	if err == nil {
		_, err = io.Copy(io.Discard, r.Body)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true // the rest of the body is to come
	}
	if err != nil {
		return false
	}
	got.Reset() // no client of the demonstration pipelines

	status := s.order.workHTTP()
	answer := fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Length: 5\r\n\r\ndone\n", status, http.StatusText(status))
	n, err = unix.Write(fd, []byte(answer))
	return err == nil && n == len(answer) && !r.Close
}

func (s *serial) drop(fd int) {
	delete(s.open, fd)
	_ = unix.Close(fd)
}
