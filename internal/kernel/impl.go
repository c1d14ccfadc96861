package kernel

import (
	"context"
	"time"
)

type impl struct{}

func open(context.Context, Options) (*Kernel, error)            { return nil, ErrUnsupported }
func (*impl) close() error                                      { return nil }
func (*impl) detach() error                                     { return nil }
func (*impl) attach() error                                     { return nil }
func (*impl) bounds() []time.Duration                           { return nil }
func (*impl) rttBounds() []time.Duration                        { return nil }
func (*impl) taps() []Tap                                       { return nil }
func (*impl) sweep() error                                      { return nil }
func (*impl) snapshot() (*Snapshot, error)                      { return nil, nil }
func (*impl) forget([]WorkloadID) ([]WorkloadID, error)         { return nil, nil }
