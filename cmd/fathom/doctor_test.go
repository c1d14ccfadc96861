package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/fathomhq/fathom/internal/doctor"
	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/requirements"
)

// examine runs the doctor in a process of its own and returns its report and exit status.
func examine(t *testing.T, attributes *syscall.SysProcAttr, args ...string) (doctor.Report, int) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", append([]string{"doctor", "--json"}, args...)...)
	cmd.Env = append(os.Environ(), helperEnv+"=1")
	cmd.SysProcAttr = attributes
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	var report doctor.Report
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v: %s\n%s", err, out, &stderr)
	}
	if stderr.Len() > 0 {
		t.Errorf("standard error: %s", &stderr)
	}
	return report, cmd.ProcessState.ExitCode()
}

var exits = map[doctor.Status]int{doctor.OK: 0, doctor.Gap: exitGaps, doctor.Fails: exitFails}

// As root every kernel that is supported can be measured, in the mode that auto takes.
func TestDoctorAsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	report, status := examine(t, nil)
	if report.Status == doctor.Fails || status != exits[report.Status] {
		t.Errorf("status %s, exit status %d: %s", report.Status, status, report.Summary)
	}
	for _, tap := range report.Taps {
		if tap.Status != doctor.OK || len(tap.Hooks) == 0 {
			t.Errorf("%+v", tap)
		}
	}
	for _, c := range report.Capabilities {
		if c.Need != requirements.Unneeded && c.Status != doctor.OK {
			t.Errorf("%+v", c)
		}
	}
}

// A mode that this kernel lacks is a gap: TCP is still measured.
func TestDoctorNamesGaps(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for _, mode := range kernel.Modes()[1:] {
		report, status := examine(t, nil, "--attach-mode="+string(mode))
		if status != exits[report.Status] || report.AttachMode != mode {
			t.Errorf("%s: status %s, exit status %d", mode, report.Status, status)
		}
		for _, tap := range report.Taps {
			if missing := tap.Mode == string(kernel.ModeNone); missing != (tap.Error != "") || missing != (tap.Costs != "") {
				t.Errorf("%s: %+v", mode, tap)
			}
		}
		t.Logf("%s: %s", mode, report.Summary)
	}
}

func TestDoctorAsNobody(t *testing.T) {
	var attributes *syscall.SysProcAttr
	if os.Geteuid() == 0 {
		attributes = asUser()
	}
	report, status := examine(t, attributes)
	if status != exitFails || report.Status != doctor.Fails || !strings.Contains(report.Summary, "missing CAP_BPF and CAP_PERFMON") {
		t.Errorf("exit status %d: %s", status, report.Summary)
	}
}

// The doctor takes the agent's file, and no key of its own in it.
func TestDoctorReadsTheConfiguration(t *testing.T) {
	for line, want := range map[string]string{
		"max-connections: many": "max-connections",
		"json: true":            "json: unknown setting",
	} {
		name := filepath.Join(t.TempDir(), "fathom.yaml")
		if err := os.WriteFile(name, []byte(line+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		var stdout, stderr bytes.Buffer
		if status := run([]string{"doctor", "--config=" + name}, &stdout, &stderr); status != exitUsage || !strings.Contains(stderr.String(), want) {
			t.Errorf("%s: exit status %d: %s", line, status, &stderr)
		}
	}
}
