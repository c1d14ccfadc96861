package agent

import (
	"context"
	"io"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/tlslib"
	"github.com/fathomhq/fathom/internal/tlswatch"
)

// newWatch returns what finds the TLS libraries of processes; nil if TLS is not read.
func newWatch(k *kernel.Kernel, o Options) *tlswatch.Watch {
	if !o.Config.TLS {
		return nil
	}
	return tlswatch.New(probes{k}, tlswatch.Options{Logger: o.Logger})
}

// probes are the kernel's, as the watch wants them.
type probes struct{ k *kernel.Kernel }

// Asked is part of [tlswatch.Probes].
func (p probes) Asked(ctx context.Context) (uint32, error) { return p.k.Asked(ctx) }

// Attach is part of [tlswatch.Probes].
func (p probes) Attach(path string, library tlslib.Library) (io.Closer, error) {
	return p.k.AttachTLS(path, library)
}

// Tell is part of [tlswatch.Probes].
func (p probes) Tell(pid uint32, about tlswatch.Process) error {
	return p.k.TellTLS(pid, kernel.TLSProcess{Opaque: uint32(about.Opaque), AttachedAt: about.AttachedAt, Goroutines: about.Goroutines, Libraries: about.Libraries})
}

// Forget is part of [tlswatch.Probes].
func (p probes) Forget(pid uint32) error { return p.k.ForgetTLS(pid) }
