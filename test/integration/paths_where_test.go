package integration

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// Which paths are gone where. What a path leads to is decided twice: the kernel decides in which calls of which functions the
// bytes are seen, and where in memory; the engine decides what they mean. The engine does not know on which kernel it runs, or
// how it is attached, and is tested on the host, as are all paths. FATHOM_PATHS says what a guest goes:
//
//	""        all of them
//	few       all families, of long series some
//	kernel    the families that depend on the kernel, of long series some, and the core of the others
//	mode      the same without what depends on the kernel but not on the attach mode, and takes long
//
// test/guests/matrix.go says which guest goes which. A new family belongs to the kernel's, unless it is named here.

// enginePaths are the families that differ by the bytes and their order alone.
func enginePaths() []path {
	return slices.Concat(plainPaths(), piecePaths(), responsePaths(), streamPaths(), uploadPaths(), pipelinePaths(), otherPaths(),
		hostilePaths(), []path{randomPath()})
}

// engineCore is what guests go of these all the same: one of each kind.
var engineCore = []string{
	"keep-alive", "connection close", "many connections", "body in later writes", "mixed order", "empty reads and writes",
	"in pieces of 1, both", "first byte read ahead", "next request read before the response is complete",
	"100 and the final response in one write", "101 and what follows", "CONNECT and a tunnel",
	"chunked in several writes", "body of 4 MB", "long wait before the request is read", "upload of 1 MB",
	"response before the upload ends", "half-close after the request", "413, then a reset, the response read after it",
	"pipelined, then keep-alive", "pipelined deeper than the queue", "tls", "http 2", "server speaks first", "idle",
	"each in its own class", "random bytes",
}

// series are the members of long series that guests leave out: a number differs, and what the engine makes of it.
var series = regexp.MustCompile(`^(method |in pieces of ([4-9]|1[0-9]),|first ([2-9]|1[0-57-9]) bytes|` +
	`writev and readv of ([2-9]|1[0-9]) |.* of ([235]|16) bytes each$|interim and .* (2[1-9]|3[0-8])$|` +
	`random bytes |exchanges of random )`)

// modelessPaths detach and attach, which takes longest. What the sweep then finds it finds in every mode.
func modelessPaths() []path { return slices.Concat(olderPaths(), missedPaths()) }

// pathsHere are the paths that FATHOM_PATHS asks for.
func pathsHere(t *testing.T) []path {
	t.Helper()
	which := os.Getenv("FATHOM_PATHS")
	var without []path
	switch which {
	case "":
		return allPaths()
	case "few":
	case "kernel":
		without = enginePaths()
	case "mode":
		without = slices.Concat(enginePaths(), modelessPaths())
	default:
		t.Fatalf("FATHOM_PATHS=%s is not known", which)
	}
	left := map[string]bool{}
	for _, p := range without {
		left[p.name] = !slices.Contains(engineCore, p.name)
	}
	return slices.DeleteFunc(allPaths(), func(p path) bool { return left[p.name] || series.MatchString(p.name) })
}

// The lists above name paths that there are, and no row of docs/modes.md is left out anywhere.
func TestPathsHere(t *testing.T) {
	named := func(paths []path, name string) bool {
		return slices.ContainsFunc(paths, func(p path) bool { return p.name == name })
	}
	engine := enginePaths()
	for _, name := range engineCore {
		if !named(engine, name) {
			t.Errorf("no path of the engine is named %q", name)
		}
	}
	counts := map[string]int{}
	for _, which := range []string{"", "few", "kernel", "mode"} {
		t.Setenv("FATHOM_PATHS", which)
		here := pathsHere(t)
		counts[which] = len(here)
		for _, p := range allPaths() {
			if p.way != "" && !named(here, p.name) {
				t.Errorf("FATHOM_PATHS=%s leaves out %q, on which docs/modes.md rests", which, p.name)
			}
		}
	}
	t.Logf("paths: %v", counts)
	if counts["few"] >= counts[""] || counts["kernel"] >= counts["few"] || counts["mode"] >= counts["kernel"] {
		t.Errorf("each has to be less than the one before: %v", counts)
	}
}
