package vm

import (
	"archive/tar"
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fathomhq/fathom/test/guests/wire"
)

// notes is an Observer that writes down what it is told.
type notes []string

func (n *notes) Ready(release string)      { *n = append(*n, "ready "+release) }
func (n *notes) Output(task int, p []byte) { *n = append(*n, fmt.Sprintf("%d prints %s", task, p)) }
func (n *notes) Exit(task int, s wire.Status) {
	*n = append(*n, fmt.Sprintf("%d exits %d", task, s.Code))
}
func (n *notes) Log(text string) { *n = append(*n, "log "+text) }

func archiveOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, content := range files {
		h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func stream(t *testing.T, messages ...wire.Message) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	enc := gob.NewEncoder(&b)
	for _, m := range messages {
		if err := enc.Encode(m); err != nil {
			t.Fatal(err)
		}
	}
	return &b
}

func TestListen(t *testing.T) {
	archive := archiveOf(t, map[string]string{"a": "brought back"})
	whole := []wire.Message{
		{Kind: wire.Ready, Data: []byte("6.12")},
		{Kind: wire.Output, Data: []byte("hello")},
		{Kind: wire.Exit, Exit: wire.Status{Code: 3}},
		{Kind: wire.Output, Task: 1, Data: []byte("again")},
		{Kind: wire.Exit, Task: 1},
		{Kind: wire.Archive, Data: archive[:100]},
		{Kind: wire.Archive, Data: archive[100:]},
		{Kind: wire.Log, Data: []byte("messages")},
		{Kind: wire.End},
	}
	m := &Machine{Out: filepath.Join(t.TempDir(), "out")}
	var got notes
	if err := m.listen(stream(t, whole...), &got); err != nil {
		t.Fatal(err)
	}
	want := notes{"ready 6.12", "0 prints hello", "0 exits 3", "1 prints again", "1 exits 0", "log messages"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if b, err := os.ReadFile(filepath.Join(m.Out, "a")); err != nil || string(b) != "brought back" {
		t.Errorf("brought back %q, %v", b, err)
	}

	for i := range whole {
		if err := m.listen(stream(t, whole[:i]...), &got); !errors.Is(err, errEnded) {
			t.Errorf("after %d messages: %v, want %v", i, err, errEnded)
		}
	}
	cut := stream(t, whole...)
	cut.Truncate(cut.Len() / 2)
	if err := m.listen(cut, &got); !errors.Is(err, errEnded) {
		t.Errorf("cut: %v, want %v", err, errEnded)
	}
	broken := bytes.NewBufferString("[    0.000000] a console is no stream of messages")
	if err := m.listen(broken, &got); err == nil {
		t.Error("broken: no error")
	}
}

// TestBringBack: a guest cannot write elsewhere.
func TestBringBack(t *testing.T) {
	dir := t.TempDir()
	m := &Machine{Out: filepath.Join(dir, "out")}
	if err := m.bringBack(bytes.NewReader(archiveOf(t, map[string]string{"../outside": "x"}))); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(filepath.Join(dir, "outside")); err == nil {
		t.Error("a file is outside")
	}
}
