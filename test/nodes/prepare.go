package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// repository returns the folder of this module, where the sources of pause and runcwrap are.
func repository(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	root := filepath.Dir(strings.TrimSpace(string(out)))
	if _, err := os.Stat(filepath.Join(root, "test/nodes/pause")); err != nil {
		return "", fmt.Errorf("run this inside the repository: %w", err)
	}
	return root, nil
}

// run runs a command, whose output is this one's.
func run(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}

// prepare writes all files.
func (u *upper) prepare(ctx context.Context) error {
	dirs := []string{u.path("log"), u.path("pki"), u.path("bin"), u.path("images")}
	for i := 1; i <= u.Nodes; i++ {
		dirs = append(dirs, u.nodePath(i, "cni"))
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", u.path("bin")+"/", "./test/nodes/pause", "./test/nodes/runcwrap")
	build.Dir, build.Env = u.root, append(os.Environ(), "CGO_ENABLED=0")
	u.confine(build)
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build pause and runcwrap: %w\n%s", err, out)
	}
	if err := u.makeCertificates(); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	for i := 1; i <= u.Nodes; i++ {
		err := errors.Join(
			os.WriteFile(u.nodePath(i, "containerd.toml"), []byte(u.containerdConfig(i)), 0o644),
			os.WriteFile(u.nodePath(i, "kubelet.json"), encode(u.kubeletConfig(i)), 0o644),
			os.WriteFile(u.nodePath(i, "proxy.json"), encode(u.proxyConfig(i)), 0o644),
			os.WriteFile(u.nodePath(i, "cni", "pods.conflist"), encode(podNetwork(u.network().pods(i))), 0o644),
		)
		if err != nil {
			return err
		}
	}
	programs := append([]program{{pauseImage, u.path("bin", "pause")}}, u.options.programs...)
	for i, p := range programs {
		image, err := imageOf(p)
		if err != nil {
			return fmt.Errorf("image %s: %w", p.reference, err)
		}
		file := u.path("images", fmt.Sprintf("%d.tar", i))
		if err := os.WriteFile(file, image, 0o644); err != nil {
			return err
		}
		u.archives = append(u.archives, file)
	}
	return nil
}
