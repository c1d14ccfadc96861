package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// sweeper is the part of [kernel.Kernel] that needs regular calls.
type sweeper interface {
	Sweep() error
}

// sweep calls the kernel side's sweep regularly and knows how that goes.
type sweep struct {
	kernel   sweeper
	interval time.Duration
	log      *slog.Logger

	mu   sync.Mutex
	last time.Time // when the last sweep ended
	err  error     // how
}

func newSweep(k sweeper, interval time.Duration, log *slog.Logger) *sweep {
	return &sweep{kernel: k, interval: interval, log: log}
}

// run sweeps until ctx ends.
func (s *sweep) run(ctx context.Context) {
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.once()
		}
	}
}

// once sweeps, and logs the outcome where it differs from the last.
func (s *sweep) once() {
	err := s.kernel.Sweep()
	s.mu.Lock()
	before := s.err
	s.last, s.err = time.Now(), err
	s.mu.Unlock()
	switch {
	case err != nil && before == nil:
		s.log.Error("sweep failed, trying again", "error", err, "interval", s.interval)
	case err == nil && before != nil:
		s.log.Info("sweep works again")
	}
}

// patience is how late a sweep may be before the agent is not ready: three missed,
// and a second for a busy host.
func (s *sweep) patience() time.Duration { return 3*s.interval + time.Second }

// ready returns nil if the last sweep went well and is recent.
func (s *sweep) ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last.IsZero() {
		return errors.New("not attached yet")
	}
	if s.err != nil {
		return fmt.Errorf("the last sweep failed: %w", s.err)
	}
	if late := time.Since(s.last); late > s.patience() {
		return fmt.Errorf("the last sweep was %s ago; they are due every %s", late.Round(time.Second), s.interval)
	}
	return nil
}
