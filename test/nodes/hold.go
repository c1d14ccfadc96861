package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// hold is the command that a node's first process runs.
const hold = "hold"

// inside is what a node's first process gets on its standard input. It says readyLine when all is done.
type inside struct {
	Folder  string     // below which a node keeps its files
	Network [][]string // arguments of ip
	OnlyV2  bool       // whether to show cgroup v2 alone
}

const readyLine = "ready\n"

// binds are where programs of a node want to have their files, with no setting to change it. Each node mounts its own there.
var binds = []string{
	"/run/containerd", "/run/netns", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers", "/var/log/pods",
}

// runHold is in new mount and network namespaces, makes a node of them, and keeps them until it is killed.
func runHold(ctx context.Context, _ []string) error {
	var i inside
	if err := json.NewDecoder(os.Stdin).Decode(&i); err != nil {
		return fmt.Errorf("read what to do: %w", err)
	}
	if err := i.mount(); err != nil {
		return err
	}
	for _, args := range i.Network {
		if err := ip(ctx, args...); err != nil {
			return err
		}
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
		return err
	}
	if _, err := os.Stdout.WriteString(readyLine); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func (i *inside) mount() error {
	// Nothing that is mounted here shows on the host.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if i.OnlyV2 {
		if err := onlyV2(); err != nil {
			return err
		}
	}
	// The kubelet expects that what it mounts shows in containers.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("make mounts shared: %w", err)
	}
	for _, dir := range binds {
		source := filepath.Join(i.Folder, dir)
		if err := errors.Join(os.MkdirAll(source, 0o755), os.MkdirAll(dir, 0o755)); err != nil {
			return err
		}
		if err := unix.Mount(source, dir, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s on %s: %w", source, dir, err)
		}
		// A group of its own: else what is mounted there would show in the source, too.
		for _, propagation := range []uintptr{unix.MS_PRIVATE, unix.MS_SHARED} {
			if err := unix.Mount("", dir, "", propagation, ""); err != nil {
				return fmt.Errorf("propagation of %s: %w", dir, err)
			}
		}
	}
	return nil
}

// onlyV2 replaces whatever is mounted on /sys/fs/cgroup.
func onlyV2() error {
	const mountPoint = "/sys/fs/cgroup"
	var fs unix.Statfs_t
	if err := unix.Statfs(mountPoint, &fs); err == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC {
		return nil
	}
	if err := unix.Unmount(mountPoint, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount %s: %w", mountPoint, err)
	}
	if err := unix.Mount("cgroup2", mountPoint, "cgroup2", 0, ""); err != nil {
		return fmt.Errorf("mount cgroup2 on %s: %w", mountPoint, err)
	}
	return nil
}

// ip runs the command.
func ip(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
