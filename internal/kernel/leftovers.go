package kernel

import (
	"bufio"
	"os"
	"strings"
)

// probePrefix begins the names of the events that the return probes need in tracefs.
const probePrefix = "fathom"

// removeLeftovers removes the events of an agent that was killed: unlike all else that it attaches they
// outlive it, though they do nothing. Those of an agent that lives are in use, and stay.
func removeLeftovers() {
	for _, root := range []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"} {
		f, err := os.OpenFile(root+"/kprobe_events", os.O_RDWR|os.O_APPEND, 0)
		if err != nil {
			continue // not mounted, or not permitted: then none were made
		}
		defer f.Close()
		var ours []string
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if event := eventOf(lines.Text()); strings.HasPrefix(event, probePrefix+"_") {
				ours = append(ours, event)
			}
		}
		for _, event := range ours {
			_, _ = f.WriteString("-:" + event + "\n") // EBUSY: in use
		}
		return
	}
}

// eventOf returns GROUP/EVENT of a line of kprobe_events, such as "r4096:GROUP/EVENT inet_recvmsg" (see
// Documentation/trace/kprobetrace.rst).
func eventOf(line string) string {
	probe, _, _ := strings.Cut(line, " ")
	_, event, _ := strings.Cut(probe, ":")
	return event
}
