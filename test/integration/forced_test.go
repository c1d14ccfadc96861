package integration

import (
	"strings"
	"testing"
)

// unforced are the losses that the table cannot bring about, and where they are
// tested instead, or why not at all.
var unforced = map[string]string{
	"lost connections_full":             "TestConnectionLimit",
	"lost read bytes connections_full":  "TestConnectionLimit",
	"lost write bytes connections_full": "TestConnectionLimit",
	"lost unreadable_kernel":            "needs a socket that the kernel itself reads (NBD, NFS, SMB)",
	"lost map_e2big":                    "slots are handed out before, so that no map is full",
	"lost map_ebusy":                    "depends on races inside the kernel",
	"lost map_enomem":                   "needs a kernel without memory",
	"lost map_edeadlk":                  "depends on races inside the kernel",
	"lost map_etimedout":                "depends on races inside the kernel",
	"lost map_other":                    "no errno is known that would count here",
	"lost missed_run":                   "needs a kernel that preempts BPF programs",
}

// allForced checks that the table brought about every loss that Fathom knows, so
// that none is only a name.
func allForced(t *testing.T, known []string, total tally) {
	for _, name := range known {
		if strings.HasPrefix(name, "lost ") && total[name] == 0 && unforced[name] == "" {
			t.Errorf("no path makes %q rise above zero", name)
		}
	}
}
