package integration

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/kernel"
)

// place is what decides what Fathom sees: how its data taps are attached, and to which kernel.
type place struct {
	mode    kernel.Mode
	release release
}

// release is a version of Linux.
type release struct{ major, minor int }

func (r release) compare(o release) int {
	return cmp.Or(cmp.Compare(r.major, o.major), cmp.Compare(r.minor, o.minor))
}

func (r release) before(major, minor int) bool { return r.compare(release{major, minor}) < 0 }

func (r release) String() string { return fmt.Sprintf("%d.%d", r.major, r.minor) }

func runningRelease(t testing.TB) release {
	t.Helper()
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	var r release
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &r.major, &r.minor); err != nil {
		t.Fatalf("release %q: %v", u.Release, err)
	}
	return r
}

// auto is the mode that Fathom has to choose by itself: the one in which no run is ever skipped.
func (p place) auto() kernel.Mode {
	if mode := os.Getenv("FATHOM_AUTO_MODE"); mode != "" {
		return kernel.Mode(mode) // of a guest, whose kernel may preempt
	}
	switch {
	case !p.release.before(6, 3):
		return kernel.ModeTracepoint
	case runtime.GOARCH == "amd64":
		return kernel.ModeTrampoline
	}
	return kernel.ModeKprobe // arm64 has trampolines from 6.4 on
}

// mayMiss tells whether the kernel may skip runs here. Whoever asks for another mode than auto gets what
// it can do on a kernel that preempts: where it falls short, it has to say so.
func (p place) mayMiss() bool { return p.mode != p.auto() }

// mayMissUncounted tells whether the kernel may skip runs here that it does not count: both programs of a tap that is attached twice,
// where tasks are preempted inside of them (internal/kernel/mode.go). Bytes that no tap saw tell.
func (p place) mayMissUncounted() bool { return !p.mayMiss() && !p.release.before(7, 0) }

// where is a kind of place.
type where func(place) bool

// Where the bytes of a call are found, see bpf/user_buffer.h.
func byRegisters(p place) bool { return p.mode == kernel.ModeTracepoint }
func byMessage(p place) bool   { return p.mode == kernel.ModeTrampoline }
func byEntry(p place) bool     { return p.mode == kernel.ModeKprobe }
func byMsghdr(p place) bool    { return byMessage(p) || byEntry(p) }

func anywhere(place) bool { return true }

// dataMode returns how the data taps are attached, and fails unless all taps are.
func dataMode(t testing.TB, k *kernel.Kernel) kernel.Mode {
	t.Helper()
	var mode kernel.Mode
	for _, tap := range k.Taps() {
		if tap.Err != nil {
			t.Errorf("tap %s: %v", tap.Name, tap.Err)
		}
		if tap.Name == "data_read" {
			mode = kernel.Mode(tap.Mode)
		}
	}
	for _, tap := range k.Taps() {
		if (tap.Name == "data_written" || tap.Name == "data_arrived") && tap.Mode != string(mode) {
			t.Errorf("tap %s is attached by %s, data_read by %s", tap.Name, tap.Mode, mode)
		}
	}
	return mode
}

// TestAutoMode checks which mode Fathom chooses, and that it has no reason to pass over a better one.
func TestAutoMode(t *testing.T) {
	var f *fathom
	switch kernel.Mode(os.Getenv("FATHOM_ATTACH_MODE")) {
	case "", kernel.ModeAuto:
		f = share(t, settleAfter)
	default:
		f = load(t, kernel.Options{Mode: kernel.ModeAuto})
	}
	if want := f.auto(); f.mode != want {
		t.Errorf("attached by %s, want %s", f.mode, want)
	}
	if known := os.Getenv("FATHOM_AUTO_MODE"); known != "" && kernel.Mode(known) != f.auto() {
		t.Errorf("the guest's table says %s, this test %s", known, f.auto())
	}
}
