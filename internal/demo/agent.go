package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

// startAgent runs `fathom agent` and returns when it is ready. Its log is shown only
// where it warns, or whole if it fails.
func startAgent(ctx context.Context, t *thread, o Options, stderr io.Writer) (*child, error) {
	// An agent on this address that was already there would answer in its place.
	if ready(ctx, o.Address) {
		return nil, fmt.Errorf("start agent: an agent already serves %s; end it, choose another address or go without", o.Address)
	}
	args := append([]string{"agent", "--web.listen-address=" + o.Address}, o.AgentArgs...)
	log := &tail{out: stderr, only: [][]byte{[]byte("WARN"), []byte("ERROR")}}
	// Not ended by ctx but by stop, when its turn comes.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), o.Executable, args...)
	a, err := startChild(t, "fathom", cmd, log)
	if err != nil {
		return nil, err
	}
	const patience = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !ready(ctx, o.Address) {
		select {
		case <-a.ended:
			lines := strings.Split(strings.TrimSpace(log.last()), "\n")
			if why := strings.TrimPrefix(lines[len(lines)-1], "fathom: "); why != "" {
				return nil, fmt.Errorf("start agent: %s", why)
			}
			return nil, a.failure()
		case <-ctx.Done():
			a.stop()
			return nil, fmt.Errorf("the agent was not ready at http://%s/readyz: %w", o.Address, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
	return a, nil
}

// ready asks an agent whether it is ready.
func ready(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return false
	}
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
