package integration

import (
	"strings"
	"testing"
)

// unforced are the losses that the table cannot bring about: where, and where they are tested instead or why
// not at all.
var unforced = map[string]struct {
	at  where
	why string
}{
	"lost connections_full":             {anywhere, "TestConnectionLimit"},
	"lost read bytes connections_full":  {anywhere, "TestConnectionLimit"},
	"lost write bytes connections_full": {anywhere, "TestConnectionLimit"},
	"lost tls_asked":                    {anywhere, "TestTLSLosses"},
	"lost tls_socket":                   {anywhere, "TestTLSLosses"},
	"lost tls_caller":                   {anywhere, "TestTLSCallersOverflow"},
	"lost unreadable_kernel":            {anywhere, "needs a socket that the kernel itself reads (NBD, NFS, SMB)"},
	"lost map_e2big":                    {anywhere, "slots are handed out before, so that no map is full"},
	"lost map_ebusy":                    {anywhere, "depends on races inside the kernel"},
	"lost map_enomem":                   {anywhere, "needs a kernel without memory"},
	"lost map_edeadlk":                  {anywhere, "depends on races inside the kernel"},
	"lost map_etimedout":                {anywhere, "depends on races inside the kernel"},
	"lost map_other":                    {anywhere, "no errno is known that would count here"},
	missedRun:                           {anywhere, "depends on preemption; asserted to be zero where it has to be"},
	"lost unreadable_io_uring":          {byMsghdr, onlyRegisters},
	"lost unreadable_compat32":          {byMsghdr, onlyRegisters},
	"lost unreadable_socket":            {byMsghdr, onlyRegisters},
	"lost unreadable_batch":             {byMsghdr, onlyRegisters},
	"lost unreadable_iovecs":            {anywhere, "a call has at most 1,024 buffers (UIO_MAXIOV), and all are followed"},
}

const onlyRegisters = "a msghdr leads to the bytes whichever call they came by; only registers mislead"

// allForced checks that the table brought about every loss that Fathom knows there, so that none is only a
// name. Skipped are the losses of paths that could not be gone.
func allForced(t *testing.T, here place, known []string, total, skipped tally) {
	for _, name := range known {
		if !strings.HasPrefix(name, "lost ") || total[name] != 0 || skipped[name] != 0 {
			continue
		}
		if u, ok := unforced[name]; !ok || !u.at(here) {
			t.Errorf("no path makes %q rise above zero", name)
		}
	}
}
