package main

import (
	"bytes"
	"io"
	"net"
	"sync/atomic"
	"testing"
)

func TestEchoUnknown(t *testing.T) {
	var messages atomic.Uint64
	ours, theirs := net.Pipe()
	ended := make(chan error)
	go func() { ended <- echoUnknown(theirs, &messages) }()
	for i := range 3 {
		message := bytes.Repeat([]byte{byte(0xe0 + i)}, unknownEchoLength)
		if _, err := ours.Write(message); err != nil {
			t.Fatal(err)
		}
		echo := make([]byte, unknownEchoLength)
		if _, err := io.ReadFull(ours, echo); err != nil || !bytes.Equal(echo, message) {
			t.Fatalf("%v: the echo is %x, want %x", err, echo, message)
		}
	}
	ours.Close()
	if err := <-ended; err == nil {
		t.Error("the end of the connection is no error")
	}
	if messages.Load() != 3 {
		t.Errorf("counted %d messages", messages.Load())
	}

	ours, theirs = net.Pipe()
	go func() { ended <- tellCount(theirs, &messages) }()
	if _, err := ours.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 2)
	if _, err := io.ReadFull(ours, line); err != nil || string(line) != "3\n" {
		t.Errorf("%v: told %q", err, line)
	}
	ours.Close()
	<-ended
}
