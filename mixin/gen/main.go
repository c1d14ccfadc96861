// Gen writes the mixin's files. Run by `go generate ./mixin`.
package main

import (
	"fmt"
	"os"

	"github.com/fathomhq/fathom/mixin"
)

func main() {
	if err := mixin.Write(".."); err != nil {
		fmt.Fprintln(os.Stderr, "mixin:", err)
		os.Exit(1)
	}
}
