// Package hostfile reads what a kernel and a distribution say about themselves in files.
package hostfile

import (
	"errors"
	"io"
	"io/fs"
)

// MaxSize bounds what is read of a file. A kernel's configuration has 300 KB.
const MaxSize = 4 << 20

// Read returns a file's text, empty if it cannot be read.
func Read(root fs.FS, name string) string {
	f, err := root.Open(name)
	if err != nil {
		return ""
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxSize))
	if errors.Join(err, f.Close()) != nil {
		return ""
	}
	return string(text)
}
