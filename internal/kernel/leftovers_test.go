package kernel

import (
	"os"
	"strings"
	"testing"
)

func TestEventOf(t *testing.T) {
	for line, want := range map[string]string{
		"r4096:fathom_0a1b2c/inet_recvmsg inet_recvmsg": "fathom_0a1b2c/inet_recvmsg",
		"p:kprobes/p_do_sys_open do_sys_open a=%di":     "kprobes/p_do_sys_open",
		"p inet_recvmsg": "",
		"":               "",
	} {
		if got := eventOf(line); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

// An agent that was killed leaves events behind, which the next one removes.
func TestLeftovers(t *testing.T) {
	const events, left = "/sys/kernel/tracing/kprobe_events", "fathom_of_the_dead/inet_recvmsg"
	f, err := os.OpenFile(events, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Skipf("no kprobes here: %v", err)
	}
	defer f.Close()
	if _, err := f.WriteString("r4096:" + left + " inet_recvmsg\n"); err != nil {
		t.Skipf("no kprobes here: %v", err)
	}
	removeLeftovers()
	text, err := os.ReadFile(events)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), left) {
		t.Errorf("still there: %s", text)
	}
}
