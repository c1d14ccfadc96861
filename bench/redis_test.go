package main

import (
	"bufio"
	"fmt"
	"strings"
	"testing"
)

func TestRedisCount(t *testing.T) {
	const info = "# Stats\r\ntotal_connections_received:3\r\ntotal_commands_processed:1234567\r\ninstantaneous_ops_per_sec:5\r\n"
	for _, test := range []struct {
		name, reply string
		want        uint64
		ok          bool
	}{
		{"a reply", fmt.Sprintf("$%d\r\n%s\r\n", len(info), info), 1234567, true},
		{"another subject", "$8\r\n# Stats\n\r\n", 0, false},
		{"no number", "$27\r\ntotal_commands_processed:x\n\r\n", 0, false},
		{"an error", "-ERR unknown command\r\n", 0, false},
		{"nothing", "$-1\r\n", 0, false},
		{"too long", "$9999999999\r\n", 0, false},
		{"cut off", "$106\r\n" + info[:20], 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			text, err := readBulk(bufio.NewReader(strings.NewReader(test.reply)))
			var n uint64
			if err == nil {
				n, err = commandsProcessed(text)
			}
			if n != test.want || (err == nil) != test.ok {
				t.Errorf("got %d, %v", n, err)
			}
		})
	}
}

func TestRedisComplaint(t *testing.T) {
	for said, want := range map[string]string{
		"": "",
		"GET: rps=0.0 (overall: 0.0) avg_msec=nan (overall: nan)\rGET: rps=98500.0 (overall: 97000.5) avg_msec=0.4 (overall: 0.4)\r": "",
		"GET: rps=1.0 (overall: 1.0)\rError from server: OOM command not allowed\n":                                                  "Error from server: OOM command not allowed",
		"Could not connect to Redis at 127.0.0.1:1: Connection refused\n":                                                            "Could not connect to Redis at 127.0.0.1:1: Connection refused",
	} {
		if got := redisComplaint(said); got != want {
			t.Errorf("%q: got %q, want %q", said, got, want)
		}
	}
}
