package demo

import (
	"context"
	"sync"
	"time"
)

// load makes the requests of [streams] until it is drained. It does not wait for
// answers: users do not either, and a slow service meets as many as a fast one.
type load struct {
	out      *caller
	stop     context.CancelFunc
	underWay sync.WaitGroup
}

func startLoad(ctx context.Context, out *caller) *load {
	ctx, stop := context.WithCancel(ctx)
	l := &load{out: out, stop: stop}
	for _, s := range streams {
		l.underWay.Go(func() { l.run(ctx, s) })
	}
	return l
}

// run makes the requests of one stream.
func (l *load) run(ctx context.Context, s stream) {
	// Enough for two bursts. What finds none free is left out, so that a service
	// that hangs does not collect requests without end.
	free := make(chan struct{}, max(32, 2*s.atOnce))
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		for range s.atOnce {
			select {
			case free <- struct{}{}:
				l.underWay.Go(func() {
					// Not ctx: calls under way are finished, so that all sides
					// count the same.
					l.out.call(context.Background(), frontendName, s.method, s.path, make([]byte, s.body))
					<-free
				})
			default:
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (l *load) drain() {
	l.stop()
	l.underWay.Wait()
	_ = l.out.close()
}

func (l *load) close() error {
	l.stop()
	return nil
}
