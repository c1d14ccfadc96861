// Command gen puts the tables of what Fathom needs into a page of the documentation.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/fathomhq/fathom/internal/requirements"
)

func main() {
	page := flag.String("page", "docs/kernels.md", "file to fill")
	flag.Parse()
	if err := fill(*page); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func fill(name string) error {
	page, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	filled, err := requirements.Fill(string(page))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.WriteFile(name, []byte(filled), 0o644) //nolint:gosec // a document
}
