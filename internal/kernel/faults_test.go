package kernel

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// with returns the taps with the ways of one replaced.
func with(name string, ways ...way) []tap {
	table := slices.Clone(taps)
	for i := range table {
		if table[i].name == name {
			table[i].ways = ways
		}
	}
	return table
}

// A kernel that refuses one program does not stop the others, unless nothing useful is left; and the
// error says what is missing.
func TestRefusedTaps(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	absent := way{mode: ModeTracepoint, since: linux(5, 10), hooks: []hook{{rawTracepoint, "no_such_tracepoint", "raw_state", 0}}}
	// A program of another kind: it loads, and does not attach.
	unattachable := way{mode: ModeTrampoline, since: linux(5, 10), hooks: []hook{{trampoline, "inet_recvmsg", "raw_state", 0}}}
	unloadable := way{mode: ModeTracepoint, since: linux(5, 10), hooks: []hook{{rawTracepoint, "sock_rcvqueue_full", "no_such_program", 0}}}
	working := func(name string) []way {
		for _, t := range taps {
			if t.name == name {
				return t.ways
			}
		}
		return nil
	}
	for _, c := range []struct {
		name    string
		table   []tap
		missing []string // the taps that are not attached
		passed  string   // why the attached tap's first way was not taken
		text    string   // part of the first missing tap's error
		http    bool     // requests are counted
	}{
		{name: "no resets", table: with("reset_sent", absent), missing: []string{"reset_sent"}, text: "no tracepoint no_such_tracepoint", http: true},
		{name: "loads and does not attach", table: with("retransmit", unattachable), missing: []string{"retransmit"}, text: "attach inet_recvmsg", http: true},
		{name: "does not load", table: with("retransmit_synack", unloadable), missing: []string{"retransmit_synack"}, text: "no_such_program", http: true},
		{name: "falls back", table: with("state", append([]way{absent}, working("state")...)...), passed: "no tracepoint no_such_tracepoint", http: true},
		{name: "no state", table: with("state", absent), missing: []string{"state"}, text: "no tracepoint", http: true},
		{name: "no writes", table: with("data_written", absent), missing: []string{"data_read", "data_written"}, text: "useless without data_written"},
		{name: "no reads", table: with("data_read", absent), missing: []string{"data_written", "data_read"}, text: "useless without data_read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, err := open(t.Context(), Options{SettleAfter: settleAfter}, c.table)
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close()
			var missing, passed []string
			for _, tap := range k.Taps() {
				if (tap.Err != nil) != (tap.Mode == string(ModeNone)) || (tap.Err == nil) != (len(tap.Hooks) > 0) {
					t.Errorf("contradicts itself: %+v", tap)
				}
				if tap.Err != nil {
					missing = append(missing, tap.Name)
					if strings.Contains(tap.Err.Error(), "\n") {
						t.Errorf("more than one line: %v", tap.Err)
					}
				} else {
					passed = append(passed, tap.Passed...)
				}
			}
			slices.Sort(missing)
			slices.Sort(c.missing)
			if !slices.Equal(missing, c.missing) {
				t.Errorf("missing %q, want %q", missing, c.missing)
			}
			if c.text != "" && !strings.Contains(text(k.Taps(), c.missing), c.text) {
				t.Errorf("errors %q do not say %q", text(k.Taps(), c.missing), c.text)
			}
			if c.passed != "" && !strings.Contains(strings.Join(passed, "\n"), c.passed) {
				t.Errorf("passed over %q, want %q", passed, c.passed)
			}
			request(t, 20)
			if c.http {
				eventually(t, k, 20)
			} else if _, served := me(t, k); served != 0 {
				t.Errorf("served %d requests without a tap for data", served)
			}
		})
	}
	t.Run("nothing useful", func(t *testing.T) {
		table := with("state", absent)
		for i := range table {
			if strings.HasPrefix(table[i].name, "data_") {
				table[i].ways = []way{absent}
			}
		}
		k, err := open(t.Context(), Options{}, table)
		if err == nil {
			_ = k.Close()
			t.Fatal("opened")
		}
		if !strings.Contains(err.Error(), "no_such_tracepoint") {
			t.Errorf("error %q", err)
		}
	})
}

func text(taps []Tap, names []string) string {
	var all []string
	for _, tap := range taps {
		if slices.Contains(names, tap.Name) && tap.Err != nil {
			all = append(all, tap.Err.Error())
		}
	}
	return strings.Join(all, "; ")
}
