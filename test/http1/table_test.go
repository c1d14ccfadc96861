package http1

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// table is what became of all rows that ran.
type table []result

// write writes the table to a file, unless its name is empty.
func (all table) write(t *testing.T, file string) {
	t.Helper()
	if file == "" {
		return
	}
	var out strings.Builder
	out.WriteString("| row | truth, both ends | counted | lost | |\n|---|--:|--:|---|---|\n")
	for _, r := range all {
		var lost []string
		for _, reason := range slices.Sorted(maps.Keys(r.lost)) {
			lost = append(lost, fmt.Sprintf("%d %s", r.lost[reason], reason))
		}
		verdict := "right"
		if len(r.wrong) > 0 {
			verdict = strings.Join(r.wrong, "; ")
		}
		fmt.Fprintf(&out, "| %s | %d | %d | %s | %s |\n", r.name, r.truth, r.counted, strings.Join(lost, ", "), verdict)
	}
	if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
		t.Error(err)
	}
}
