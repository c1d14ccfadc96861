package kernel

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
)

func TestExplainLoad(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want error
		text string
	}{
		{"permission", fmt.Errorf("program x: %w", os.ErrPermission), ErrPermission, "not permitted"},
		{
			"the verifier says permission too", &ebpf.VerifierError{Cause: os.ErrPermission, Log: []string{"R1 invalid"}},
			ErrUnsupported, "R1 invalid",
		},
		{"something else", errors.New("first line\nsecond"), ErrUnsupported, "first line"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := explainLoad(test.err)
			if !errors.Is(got, test.want) || !strings.Contains(got.Error(), test.text) {
				t.Errorf("got %v", got)
			}
			if strings.Contains(got.Error(), "\n") {
				t.Errorf("more than a line: %q", got)
			}
		})
	}
}

func TestPermissionAdvice(t *testing.T) {
	for _, test := range []struct {
		missing []string
		want    string
	}{
		{nil, "no capability is missing"},
		{[]string{"CAP_PERFMON"}, "missing CAP_PERFMON: run as root"},
		{[]string{"CAP_BPF", "CAP_PERFMON"}, "missing CAP_BPF and CAP_PERFMON: run as root"},
	} {
		if got := permissionAdvice(test.missing); !strings.HasPrefix(got, test.want) {
			t.Errorf("missing %v: %q", test.missing, got)
		}
	}
}
