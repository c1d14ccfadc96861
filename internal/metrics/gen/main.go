// Command gen writes the reference of Fathom's metrics.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"

	"github.com/fathomhq/fathom/internal/metrics"
)

func main() {
	out := flag.String("o", "docs/metrics.md", "file to write")
	flag.Parse()
	if err := write(*out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func write(name string) error {
	var b bytes.Buffer
	if err := metrics.WriteReference(&b); err != nil {
		return err
	}
	return os.WriteFile(name, b.Bytes(), 0o644) //nolint:gosec // a document
}
