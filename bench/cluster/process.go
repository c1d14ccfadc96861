package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
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

// print prints what the process takes, of proc_pid_status(5) and proc_pid_stat(5).
func (p *process) print(when string) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	value := func(name string) float64 {
		for line := range strings.Lines(string(status)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == name+":" {
				kb, _ := strconv.ParseFloat(f[1], 64)
				return kb / 1e3
			}
		}
		return 0
	}
	const ticks = 100 // USER_HZ
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return
	}
	user, _ := strconv.ParseFloat(f[11], 64)
	system, _ := strconv.ParseFloat(f[12], 64)
	fmt.Printf("%s %s: %.0f MB resident, %.0f MB at most, %.1f s of CPU\n", p.name, when, value("VmRSS"), value("VmHWM"), (user+system)/ticks)
}
