package redis

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fathomhq/fathom/internal/protocol"
	"github.com/fathomhq/fathom/test/process"
)

// redisServer is a server that this test asks what it did.
type redisServer struct {
	*testing.T
	address string
	asked   int // how often
}

// info asks for a section of INFO, on a connection of its own.
func (s *redisServer) info(section string) string {
	s.Helper()
	s.asked++
	text, err := s.ask(section)
	if err != nil {
		s.Fatalf("INFO %s: %v", section, err)
	}
	return text
}

func (s *redisServer) ask(section string) (string, error) {
	c, err := (&net.Dialer{}).DialContext(s.Context(), "tcp", s.address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "*2\r\n$4\r\nINFO\r\n$%d\r\n%s\r\n", len(section), section); err != nil {
		return "", err
	}
	r := bufio.NewReader(c)
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	length, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, "$")))
	if err != nil {
		return "", fmt.Errorf("%q: %w", line, err)
	}
	text := make([]byte, length+2)
	_, err = io.ReadFull(r, text)
	return string(text[:length]), err
}

// waitFor returns when something is true of the server.
func (s *redisServer) waitFor(what func(*redisServer) bool) {
	s.Helper()
	for end := time.Now().Add(process.Patience); !what(s); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("it is not true of the server after %s", process.Patience)
		}
	}
}

// called tells that the server has got a command.
func called(command string) func(*redisServer) bool {
	return func(s *redisServer) bool {
		return strings.Contains(s.info("commandstats"), "cmdstat_"+command+":calls=")
	}
}

// stats is what the server says that it did, without what this test asked: calls by command, of those that failed or were rejected as
// "GET failed", and errors by their first word.
func (s *redisServer) stats() (commands, errors counts) {
	s.Helper()
	commands, errors = counts{}, counts{}
	s.each(s.info("errorstats"), "errorstat_", func(name string, values map[string]int) { errors.add(word(name), values["count"]) })
	s.each(s.info("commandstats"), "cmdstat_", func(name string, values map[string]int) {
		name, _, _ = strings.Cut(strings.ToUpper(name), "|")
		if !slices.Contains(protocol.Redis.Operations.All(), name) {
			name = protocol.OtherOperation
		}
		commands.add(name, values["calls"]-values["failed_calls"])
		commands.add(name+" failed", values["failed_calls"]+values["rejected_calls"])
	})
	commands.add("INFO", -(s.asked - 1)) // it counts what is behind it
	return commands, errors
}

func (s *redisServer) each(text, prefix string, f func(name string, values map[string]int)) {
	s.Helper()
	for line := range strings.Lines(text) {
		name, list, ok := strings.Cut(strings.TrimPrefix(line, prefix), ":")
		if !ok || name == line {
			continue
		}
		values := map[string]int{}
		for value := range strings.SplitSeq(strings.TrimSpace(list), ",") {
			key, n, _ := strings.Cut(value, "=")
			if strings.Contains(n, ".") { // a time
				continue
			}
			number, err := strconv.Atoi(n)
			if err != nil {
				s.Fatalf("%q: %v", line, err)
			}
			values[key] = number
		}
		f(name, values)
	}
}
