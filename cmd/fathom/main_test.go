package main

import (
	"bytes"
	"strings"
	"testing"
)

// The exit status and the one line on standard error are a promise.
func TestExit(t *testing.T) {
	for name, c := range map[string]struct {
		args   []string
		status int
		stdout string
		stderr string
	}{
		"help":            {[]string{"--help"}, 0, "Usage: fathom", ""},
		"help of agent":   {[]string{"agent", "--help"}, 0, "CAP_PERFMON", ""},
		"help of doctor":  {[]string{"doctor", "--help"}, 0, "Exit status: 0 if all works", ""},
		"help of demo":    {[]string{"demo", "--help"}, 0, "Ctrl-C removes", ""},
		"version":         {[]string{"version"}, 0, "fathom ", ""},
		"demo service":    {[]string{"demo-service"}, 1, "", "demo-service is started by `fathom demo`, not by hand"},
		"no command":      {nil, 2, "", `expected one of "agent", "doctor", "directory", "top", "demo", ... (see fathom --help)`},
		"unknown command": {[]string{"agnt"}, 2, "", "unexpected argument agnt"},
		"unknown flag":    {[]string{"agent", "--loud"}, 2, "", "unknown flag --loud (see fathom agent --help)"},
		"bad value":       {[]string{"agent", "--max-series=0"}, 2, "", "--max-series: 0 is not between"},
		"doctor's flags":  {[]string{"doctor", "--attach-mode=luck"}, 2, "", "is not auto, tracepoint, trampoline or kprobe (see fathom doctor --help)"},
		"help of top":     {[]string{"top", "--help"}, 0, "pods/proxy", ""},
		"column of top":   {[]string{"top", "--sort=luck"}, 2, "", `there is no column "luck"; there are: namespace, workload,`},
		"window of top":   {[]string{"top", "--window=1h"}, 2, "", "--window: 1h0m0s is not between 5s and 15m0s (see fathom top --help)"},
		"cluster of top":  {[]string{"top", "--context=a"}, 2, "", "go with --namespace or --all-namespaces"},
		"top alone":       {[]string{"top", "--once", "--address=127.0.0.1:1"}, 1, "", "cannot reach the agent at 127.0.0.1:1: "},
		"argument":        {[]string{"agent", "now"}, 2, "", "unexpected argument now"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if got := run(c.args, &stdout, &stderr); got != c.status {
				t.Errorf("exit status %d, want %d", got, c.status)
			}
			if !strings.Contains(stdout.String(), c.stdout) || (c.stdout == "" && stdout.Len() > 0) {
				t.Errorf("standard output: %s", &stdout)
			}
			if !strings.Contains(stderr.String(), c.stderr) || (c.stderr == "" && stderr.Len() > 0) {
				t.Errorf("standard error: %s", &stderr)
			}
			if c.stderr != "" && strings.Count(stderr.String(), "\n") != 1 {
				t.Errorf("not one line: %q", &stderr)
			}
		})
	}
}
