package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime returns the CPU time that a process has taken, user and system, by its CPU clock:
// /proc/PID/stat has the same in steps of 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	// include/linux/posix-timers_types.h: the pid inverted, CPUCLOCK_SCHED (2) below.
	clock := int32(^pid<<3 | 2)
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0, fmt.Errorf("read the CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// machineTime returns the CPU time that all CPUs together have worked, interrupts included, in steps of 10 ms.
func machineTime() (time.Duration, error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseMachineTime(string(data))
}

// parseMachineTime adds up user, nice, system, irq and softirq of the first line: not what was idle or taken by the hypervisor. The
// time of guests is in that of users already.
func parseMachineTime(stat string) (time.Duration, error) {
	first, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(first)
	if len(fields) < 8 || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat begins with %q", first)
	}
	var sum uint64
	for _, i := range []int{1, 2, 3, 6, 7} {
		n, err := strconv.ParseUint(fields[i], 10, 63)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		sum += n
	}
	return time.Duration(sum) * userTick, nil //nolint:gosec // centuries
}

// userTick is USER_HZ, the same on all architectures that Go runs on.
const userTick = time.Second / 100

// ticks returns the user and the system time of a process from /proc/PID/stat.
func ticks(pid int) (user, system time.Duration, err error) {
	fields, err := statFields(pid)
	if err != nil {
		return 0, 0, err
	}
	u, errU := strconv.ParseInt(fields[14-3], 10, 64)
	s, errS := strconv.ParseInt(fields[15-3], 10, 64)
	return time.Duration(u) * userTick, time.Duration(s) * userTick, errors.Join(errU, errS)
}

// statFields returns /proc/PID/stat from field 3 (state) on; the second may hold anything.
func statFields(pid int) ([]string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 {
		return nil, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	return fields, nil
}

// memory is what a process takes of the machine's memory, in bytes.
type memory struct {
	RSS       uint64 `json:"rss"`
	RSSAnon   uint64 `json:"rss_anon"`
	RSSFile   uint64 `json:"rss_file"`
	RSSShared uint64 `json:"rss_shared"`
	Peak      uint64 `json:"peak_rss"`
	PSS       uint64 `json:"pss"`
	Anonymous uint64 `json:"anonymous"`
	Maps      uint64 `json:"rss_bpf_maps"` // part of RSSFile: kernel memory that is mapped
}

func memoryOf(pid int) (memory, error) {
	var m memory
	var err error
	m.Maps, err = residentMaps(pid)
	return m, errors.Join(err,
		readSizes(fmt.Sprintf("/proc/%d/status", pid), map[string]*uint64{
			"VmRSS": &m.RSS, "RssAnon": &m.RSSAnon, "RssFile": &m.RSSFile, "RssShmem": &m.RSSShared, "VmHWM": &m.Peak,
		}),
		readSizes(fmt.Sprintf("/proc/%d/smaps_rollup", pid), map[string]*uint64{"Pss": &m.PSS, "Anonymous": &m.Anonymous}),
	)
}

// readSizes reads lines such as `VmRSS:   1234 kB`.
func readSizes(path string, into map[string]*uint64) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(line, ":")
		target, wanted := into[name]
		if !wanted {
			continue
		}
		kb, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", path, name, err)
		}
		*target = kb << 10
	}
	return nil
}

// residentMaps returns how much of the BPF maps is mapped into a process.
func residentMaps(pid int) (uint64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		return 0, err
	}
	return parseResidentMaps(string(data))
}

// parseResidentMaps adds up the `Rss:` of the mappings whose header line names a BPF map.
func parseResidentMaps(smaps string) (sum uint64, err error) {
	isMap := false
	for line := range strings.Lines(smaps) {
		field := strings.Fields(line)
		switch {
		case len(field) >= 5 && !strings.HasSuffix(field[0], ":"):
			isMap = strings.Contains(line, "bpf-map")
		case isMap && len(field) == 3 && field[0] == "Rss:":
			kb, err := strconv.ParseUint(field[1], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("smaps: %w", err)
			}
			sum += kb << 10
		}
	}
	return sum, nil
}

// mapMemory returns the kernel memory of the BPF maps that a process holds open, as the
// kernel tells it, each map once.
func mapMemory(pid int) (uint64, error) {
	seen := make(map[string]uint64)
	err := eachFdinfo(pid, func(info map[string]string) {
		if id, ok := info["map_id"]; ok {
			seen[id], _ = strconv.ParseUint(info["memlock"], 10, 64)
		}
	})
	var sum uint64
	for _, n := range seen {
		sum += n
	}
	return sum, err
}

// eachFdinfo calls f with the fields of every open descriptor's /proc/PID/fdinfo.
func eachFdinfo(pid int, f func(map[string]string)) error {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		return err
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // closed in between
		}
		info := make(map[string]string)
		for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ":")
			info[name] = strings.TrimSpace(value)
		}
		f(info)
	}
	return nil
}

// group returns the processes of a process group.
func group(leader int) []int {
	var out []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if fields, err := statFields(pid); err == nil && fields[5-3] == strconv.Itoa(leader) {
			out = append(out, pid)
		}
	}
	return out
}

// groupUsage returns the CPU time of a process group, ended children included where
// their parent has waited for them, and its memory.
func groupUsage(leader int) (cpu time.Duration, m memory) {
	for _, pid := range group(leader) {
		t, err := cpuTime(pid)
		if err != nil {
			continue // it has ended
		}
		cpu += t + waitedFor(pid)
		one, err := memoryOf(pid)
		if err != nil {
			continue
		}
		m.RSS += one.RSS
		m.PSS += one.PSS
		m.Anonymous += one.Anonymous
	}
	return cpu, m
}

// waitedFor returns the CPU time of a process' ended children.
func waitedFor(pid int) time.Duration {
	fields, err := statFields(pid)
	if err != nil {
		return 0
	}
	u, _ := strconv.ParseInt(fields[16-3], 10, 64)
	s, _ := strconv.ParseInt(fields[17-3], 10, 64)
	return time.Duration(u+s) * userTick
}
