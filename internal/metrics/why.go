package metrics

import "strings"

// unreadableHead is what the losses unreadable_* have in common.
const unreadableHead = "The head of a message could not be read"

// faults say why memory could not be read.
var faults = []struct{ name, meaning string }{
	{"kernel", "the kernel's own socket or thread"},
	{"io_uring", ""},
	{"compat32", "32-bit program"},
	{"syscall", "not one that carries a buffer in a known way"},
	{"socket", "the call's descriptor is another socket"},
	{"batch", "not the first message of `recvmmsg` or `sendmmsg`"},
	{"truncated", "`MSG_TRUNC`"},
	{"iovecs", "where in an array of buffers its bytes begin was not found"},
	{"memory", "not in memory"},
	{"steps", "more messages in one call than are followed"},
}

// faultList is all of them.
func faultList() string {
	var list []string
	for _, f := range faults {
		list = append(list, describeFault(f.name, f.meaning))
	}
	return strings.Join(list, ", ")
}

func describeFault(name, meaning string) string {
	if meaning == "" {
		return "`" + name + "`"
	}
	return "`" + name + "` (" + meaning + ")"
}

// WhyLost says in English, with Markdown's backquotes, what a reason of fathom_lost_total means; empty if it is not known.
func WhyLost(reason string) string {
	if fault, ok := strings.CutPrefix(reason, "unreadable_"); ok {
		if why := whyFault(fault); why != "" {
			return unreadableHead + ": " + why + "."
		}
	}
	if errno, ok := strings.CutPrefix(reason, "map_"); ok {
		return "The kernel refused to add to a table: " + errno + "."
	}
	return meaningOf("fathom_lost_total", reason)
}

// WhyLostBytes does so for fathom_lost_bytes_total.
func WhyLostBytes(reason string) string { return meaningOf("fathom_lost_bytes_total", reason) }

// WhyConnection does so for fathom_connections_total. The empty reason needs none.
func WhyConnection(reason string) string {
	if why := whyFault(reason); why != "" {
		return "The first bytes were in memory that could not be read: " + why + "."
	}
	return meaningOf("fathom_connections_total", reason)
}

func whyFault(name string) string {
	for _, f := range faults {
		if f.name == name {
			return describeFault(f.name, f.meaning)
		}
	}
	return ""
}

func meaningOf(metric, reason string) string {
	for _, r := range reasons {
		if r.metric == metric && r.reason == reason {
			return r.meaning
		}
	}
	return ""
}
