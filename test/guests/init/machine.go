package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// openFiles is what tests with many connections need; the kernel's default is 1024.
const openFiles = 65536

// prepare makes the machine what tasks expect: time, limits, network, modules.
func prepare(now time.Time, modules []string) error {
	t := unix.NsecToTimespec(now.UnixNano())
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &t); err != nil {
		return fmt.Errorf("set the clock: %w", err)
	}
	for what, limit := range map[int]unix.Rlimit{
		unix.RLIMIT_NOFILE:  {Cur: openFiles, Max: openFiles},
		unix.RLIMIT_MEMLOCK: {Cur: math.MaxUint64, Max: math.MaxUint64}, // BPF maps before 5.11
		unix.RLIMIT_CORE:    {},
	} {
		if err := unix.Setrlimit(what, &limit); err != nil {
			return fmt.Errorf("set limit %d: %w", what, err)
		}
	}
	if err := unix.Sethostname([]byte("guest")); err != nil {
		return fmt.Errorf("set the host's name: %w", err)
	}
	if err := linkUp("lo"); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	for _, file := range modules {
		if err := loadModule(file); err != nil {
			return fmt.Errorf("load %s: %w", file, err)
		}
	}
	return nil
}

func linkUp(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	link, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, link); err != nil {
		return err
	}
	link.SetUint16(link.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, link)
}

func loadModule(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}
