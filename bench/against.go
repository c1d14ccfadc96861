package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// contender is an agent that is compared with no agent: another one, or Fathom's.
type contender struct {
	name  string
	start func(context.Context) (*child, error)
}

// contest is the outcome for one contender.
type contest struct {
	Name string `json:"name"`
	// Each block of windows over the mean of the blocks without an agent beside it.
	Ratios  []float64 `json:"throughput_ratios"`
	Ratio   summary   `json:"throughput_ratio"`
	CPU     float64   `json:"cpu_percent_of_a_core"` // of all its processes, in user space and system calls
	Memory  memory    `json:"memory"`
	Windows []window  `json:"windows"`
}

// parseAgainst reads NAME=COMMAND.
func (b *bench) parseAgainst(s string) (contender, error) {
	name, command, ok := strings.Cut(s, "=")
	if !ok || name == "" || command == "" {
		return contender{}, fmt.Errorf("-against %q: want NAME=COMMAND", s)
	}
	return contender{name, func(ctx context.Context) (*child, error) { return b.startCommand(ctx, name, command) }}, nil
}

// fathomContender is bin/fathom agent, started and stopped as the others are.
func (b *bench) fathomContender() contender {
	return contender{"fathom agent", func(ctx context.Context) (*child, error) {
		a, err := b.startAgent(ctx)
		if err != nil {
			return nil, err
		}
		return a.child, nil
	}}
}

// startCommand runs a shell command and returns when it has written the line `ready`.
func (b *bench) startCommand(ctx context.Context, name, command string) (*child, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "/bin/sh", "-c", command) // ended by stop
	cmd.Stdout = in
	c, err := b.starter.start(name, cmd, anyCPU)
	if err != nil {
		out.Close()
		return nil, err
	}
	ready := make(chan struct{})
	go func() { // ends with the last process that holds the pipe
		defer out.Close()
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.TrimSpace(lines.Text()) == "ready" {
				close(ready)
				break
			}
			_, _ = c.out.Write(append(lines.Bytes(), '\n'))
		}
		_, _ = io.Copy(io.Discard, out)
	}()
	select {
	case <-ready:
		return c, nil
	case <-c.ended:
		err = c.failure()
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(2 * time.Minute):
		err = fmt.Errorf("%s did not write the line `ready` within 2 minutes\n%s", name, c.out)
	}
	c.stop(syscall.SIGTERM)
	return nil, err
}

// contests takes blocks of windows without an agent and with each contender in turn,
// A B A C A B A ..., within one load run.
func (b *bench) contests(ctx context.Context, contenders []contender) ([]contest, error) {
	r, err := b.startRig(ctx, traffics()[0])
	if err != nil {
		return nil, err
	}
	defer r.stop()
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	out := make([]contest, len(contenders))
	before, err := b.block(ctx, r, nil)
	if err != nil {
		return nil, err
	}
	for round := range b.plan.rounds {
		for i, c := range contenders {
			b.progress("round %d of %d, %s", round+1, b.plan.rounds, c.name)
			out[i].Name = c.name
			windows, err := b.enterContest(ctx, r, c, &out[i])
			if err != nil {
				return nil, err
			}
			after, err := b.block(ctx, r, nil)
			if err != nil {
				return nil, err
			}
			out[i].Ratios = append(out[i].Ratios, medianRate(windows)*2/(medianRate(before)+medianRate(after)))
			for _, w := range windows {
				w.State, w.Block = c.name, round
				out[i].Windows = append(out[i].Windows, w)
			}
			before = after
		}
	}
	for i := range out {
		out[i].Ratio = summarize(out[i].Ratios)
		out[i].CPU /= float64(b.plan.rounds)
	}
	return out, nil
}

// enterContest measures one block with the contender running.
func (b *bench) enterContest(ctx context.Context, r *rig, c contender, out *contest) ([]window, error) {
	agent, err := c.start(ctx)
	if err != nil {
		return nil, err
	}
	defer agent.stop(syscall.SIGTERM)
	if err := sleep(ctx, b.plan.warmUp); err != nil {
		return nil, err
	}
	began := time.Now()
	before, _ := groupUsage(agent.pid())
	windows, err := b.block(ctx, r, agent)
	if err != nil {
		return nil, err
	}
	after, m := groupUsage(agent.pid())
	out.CPU += 100 * float64(after-before) / float64(time.Since(began))
	if m.PSS > out.Memory.PSS {
		out.Memory = m
	}
	return windows, nil
}

// block takes windows in a row while agent, if there is one, runs.
func (b *bench) block(ctx context.Context, r *rig, agent *child) ([]window, error) {
	var windows []window
	for range b.plan.blockWindows {
		w, err := r.measure(ctx, b.plan, func() error { return nil })
		if err != nil {
			return nil, err
		}
		if agent != nil && !agent.running() {
			return nil, agent.failure()
		}
		windows = append(windows, w)
	}
	return windows, nil
}

func medianRate(windows []window) float64 {
	var rates []float64
	for _, w := range windows {
		rates = append(rates, w.rate())
	}
	return summarize(rates).Median
}
