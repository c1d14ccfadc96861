package prometheus

import (
	"strings"
	"testing"
	"time"
)

func TestZZ(t *testing.T) {
	u := newUnit(t)
	hasty := startAgent(t, "--grace-period=2s")
	u.start(t)
	w := new(tally)
	u.visit(t.Context(), w, 10)
	exposition(t, hasty)
	go func() { for range 30 { exposition(t, hasty); time.Sleep(time.Second) } }()
	u.restartUnderLoad(t)
	u.stop(t, true)
	for i := range 12 {
		time.Sleep(time.Second)
		n := 0
		for _, l := range strings.Split(exposition(t, hasty), "\n") {
			if strings.Contains(l, u.name) {
				n++
				if i == 0 && !strings.Contains(l, "bucket") {
					t.Log(l)
				}
			}
			if strings.HasPrefix(l, "fathom_lost") && !strings.HasSuffix(l, " 0") || strings.Contains(l, `fathom_series{map="workloads"`) || strings.Contains(l, `fathom_series{map="conn`) {
				t.Log(i, l)
			}
		}
		t.Log(i, n)
	}
}
