package main

import (
	"context"
	"errors"
	"testing"
)

func TestAwait(t *testing.T) {
	calls := 0
	err := await(t.Context(), "it works", func(context.Context) error {
		if calls++; calls < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil || calls != 3 {
		t.Errorf("%d calls, error %v", calls, err)
	}
	// What ended is what is wrong, not that nobody waits any more.
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := errors.New("etcd ended")
	err = await(ctx, "it works", func(context.Context) error {
		cancel(ended)
		return errors.New("connection refused")
	})
	if !errors.Is(err, ended) {
		t.Errorf("error %v, want %v", err, ended)
	}
}
