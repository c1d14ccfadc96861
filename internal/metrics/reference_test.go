package metrics

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const reference = "../../docs/metrics.md"

// The reference page says what the code does.
func TestReference(t *testing.T) {
	var got bytes.Buffer
	if err := WriteReference(&got); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(reference, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("docs/metrics.md is old; run go generate ./internal/metrics:\n%s", diff)
	}
}

func TestEveryLabelIsDescribed(t *testing.T) {
	used, doc := make(map[string]bool), allLabelDoc()
	for _, d := range Families() {
		for _, l := range d.Labels {
			used[l] = true
			if doc[l] == "" {
				t.Errorf("label %s of %s is not described", l, d.Name)
			}
		}
		if !strings.HasSuffix(d.Help, ".") || strings.Contains(d.Help, "|") {
			t.Errorf("help of %s: %q", d.Name, d.Help)
		}
	}
	for l := range doc {
		if !used[l] {
			t.Errorf("label %s is described and not used", l)
		}
	}
}
