package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/prometheus/procfs"
)

// process is one of Fathom's that is measured.
type process struct {
	name string
	cmd  *exec.Cmd
}

// start starts a process, and waits until its page says that it is ready.
func start(ctx context.Context, name, page, program string, arguments ...string) (*process, error) {
	p := &process{name, exec.CommandContext(ctx, program, arguments...)}
	p.cmd.Stderr = os.Stderr
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		if isReady(ctx, page) {
			fmt.Printf("%s: ready after %.2f s\n", name, time.Since(began).Seconds())
			return p, nil
		}
		if time.Since(began) > 2*time.Minute {
			p.stop()
			return nil, fmt.Errorf("the %s does not become ready", name)
		}
	}
	p.stop()
	return nil, ctx.Err()
}

func isReady(ctx context.Context, page string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func (p *process) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// print prints what the process takes.
func (p *process) print(when string) {
	proc, err := procfs.NewProc(p.cmd.Process.Pid)
	if err != nil {
		return
	}
	status, err := proc.NewStatus()
	if err != nil {
		return
	}
	stat, err := proc.Stat()
	if err != nil {
		return
	}
	fmt.Printf("%s %s: %.0f MB resident, %.0f MB at most, %.1f s of CPU\n", p.name, when,
		float64(status.VmRSS)/1e6, float64(status.VmHWM)/1e6, stat.CPUTime())
}
