package main

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestParseResidentMaps(t *testing.T) {
	const smaps = `00400000-00c00000 r-xp 00000000 fe:00 1234 /usr/bin/fathom
Rss:                5000 kB
Pss:                5000 kB
VmFlags: rd ex mr mw me
7f0000000000-7f0000800000 rw-s 00000000 00:0f 1037 anon_inode:bpf-map
Size:               8192 kB
Rss:                7472 kB
Pss:                7472 kB
7f0001000000-7f0001001000 rw-s 00000000 00:0f 1037 anon_inode:bpf-map
Rss:                   4 kB
7f0002000000-7f0002001000 rw-p 00000000 00:00 0
Rss:                 100 kB
`
	got, err := parseResidentMaps(smaps)
	if want := uint64(7476 << 10); err != nil || got != want {
		t.Errorf("got %d, %v, want %d", got, err, want)
	}
}

// The CPU clock of another process has to agree with its times in /proc, and both with what
// it did.
func TestCPUTime(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "while :; do :; done")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	pid := cmd.Process.Pid
	var clock time.Duration
	for deadline := time.Now().Add(20 * time.Second); clock < 200*time.Millisecond; {
		if time.Now().After(deadline) {
			t.Fatalf("a busy process has taken %s of CPU time", clock)
		}
		time.Sleep(10 * time.Millisecond)
		var err error
		if clock, err = cpuTime(pid); err != nil {
			t.Fatal(err)
		}
	}
	user, system, err := ticks(pid)
	if err != nil {
		t.Fatal(err)
	}
	if sum := user + system; sum < clock-20*time.Millisecond {
		t.Errorf("the clock says %s, /proc/PID/stat %s", clock, sum)
	}
	if _, err := cpuTime(1 << 22); err == nil {
		t.Error("a process that cannot exist has a CPU clock")
	}
}

func TestMemoryOf(t *testing.T) {
	m, err := memoryOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if m.RSS < 1<<20 || m.RSS > m.Peak || m.RSSAnon+m.RSSFile+m.RSSShared > m.Peak || m.Anonymous == 0 || m.PSS == 0 {
		t.Errorf("implausible: %+v", m)
	}
}

func TestMachineTime(t *testing.T) {
	for stat, want := range map[string]time.Duration{
		// user nice system idle iowait irq softirq steal guest guest_nice
		"cpu  100 10 50 7000 300 5 35 900 20 2\ncpu0 1 1 1 1 1 1 1 1 1 1\n": 2 * time.Second,
		"cpu  1 0 0 0 0 0 0 0 0 0": 10 * time.Millisecond,
		"cpu  1 0 x 0 0 0 0 0 0 0": -1,
		"cpu  1 0":                 -1,
		"intr 1 2 3 4 5 6 7 8":     -1,
		"":                         -1,
	} {
		got, err := parseMachineTime(stat)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %s, want %s", stat, got, want)
		}
	}
	before, err := machineTime()
	if err != nil || before == 0 {
		t.Errorf("%s, %v", before, err)
	}
}
