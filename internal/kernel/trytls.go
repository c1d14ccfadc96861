package kernel

import (
	"errors"
	"fmt"
	"os"

	"github.com/fathomhq/fathom/internal/requirements"
	"github.com/fathomhq/fathom/internal/tlslib"
)

// ProbeTLS says how probes in TLS libraries go on this kernel.
type ProbeTLS struct {
	Links bool // one link for many uprobes; else perf events
	Tried bool // whether Err says anything
	Err   error
}

// linksProbes tells whether this kernel has links of many uprobes.
func (k *Kernel) linksProbes() bool {
	if k.tls != nil {
		return k.tls.multi
	}
	running, err := runningRelease()
	return err == nil && running >= release(requirements.LinksOfProbes)
}

// errNoSample: there is nothing to attach to, which says nothing of the kernel.
var errNoSample = errors.New("this program's own TLS library is not found in its file")

// TryTLS attaches probes to this program's own TLS library and detaches them again: what [Kernel.AttachTLS] takes of this
// process, it takes.
func (k *Kernel) TryTLS() (err error) {
	const self = "/proc/self/exe"
	f, err := os.Open(self)
	if err != nil {
		return fmt.Errorf("open this program: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	found, err := tlslib.Inspect(f, info.Size())
	if err != nil {
		return errNoSample
	}
	attached, err := k.AttachTLS(self, found.Libraries[0])
	if err != nil {
		return err
	}
	return attached.Close()
}
