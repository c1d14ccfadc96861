package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	initPackage   = "./test/guests/init"
	fathomPackage = "./cmd/fathom"
)

// builder builds what runs in guests: static binaries, below out, for each architecture.
type builder struct{ root, out string }

// program builds a command and returns its file.
func (b builder) program(ctx context.Context, pkg, arch string) (string, error) {
	return b.build(ctx, arch, filepath.Base(pkg), "build", pkg)
}

// test builds the test binary of a package and returns its file.
func (b builder) test(ctx context.Context, pkg, arch string) (string, error) {
	return b.build(ctx, arch, strings.ReplaceAll(strings.TrimPrefix(pkg, "./"), "/", "-")+".test", "test", "-c", pkg)
}

func (b builder) build(ctx context.Context, arch, name, verb string, args ...string) (string, error) {
	file := filepath.Join(b.out, "bin", arch, name)
	cmd := exec.CommandContext(ctx, "go", append([]string{verb, "-o", file}, args...)...)
	cmd.Dir = b.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s for %s: %w\n%s", name, arch, err, bytes.TrimSpace(output))
	}
	return file, nil
}

// tool builds a command of the Go distribution for this machine and returns its file.
func (b builder) tool(ctx context.Context, name string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "tool", "-n", name)
	cmd.Dir = b.root
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("build %s: %w", name, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// repository returns the folder of this module.
func repository(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	root := filepath.Dir(strings.TrimSpace(string(out)))
	if _, err := os.Stat(filepath.Join(root, initPackage)); err != nil {
		return "", fmt.Errorf("run this inside the repository: %w", err)
	}
	return root, nil
}

// fetchKernels fetches the kernels, and QEMU, that are not there.
func fetchKernels(ctx context.Context, root string, kernels []string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(root, "scripts/kernels.sh"), kernels...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("fetch kernels: %w", err)
	}
	return nil
}
