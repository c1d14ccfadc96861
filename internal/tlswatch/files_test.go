package tlswatch

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReplaced has a library's file deleted, and another one put in its place.
func TestReplaced(t *testing.T) {
	f := newFake()
	f.start(t, nil)
	path := libssl(t, "libssl.so.3")
	old := loads(t, path)
	oldIno := ino(t, path)
	copyTo(t, path, path+".new")
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if about := f.ask(t, old.pid()); about.Opaque != Read {
		t.Errorf("the deleted file: %+v", about)
	}
	if f.attached[oldIno] != 1 {
		t.Errorf("attached to %v and not to %d", f.attached, oldIno)
	}
	if about := f.ask(t, loads(t, path).pid()); about.Opaque != Read || f.attached[ino(t, path)] != 1 {
		t.Errorf("the new file: %+v, attached to %v", about, f.attached)
	}
}

// TestUnlinkedBelow4GiB has a program deleted that is not position-independent.
func TestUnlinkedBelow4GiB(t *testing.T) {
	f := newFake()
	f.start(t, nil)
	path := compileGo(t)
	p := run(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if about := f.ask(t, p.pid()); about.Opaque != Read || !about.Goroutines {
		t.Errorf("%+v", about)
	}
}

// TestUnlinkedLater attaches once to a file whose ctime changes.
func TestUnlinkedLater(t *testing.T) {
	f := newFake()
	f.start(t, nil)
	path := libssl(t, "libssl.so.3")
	first, second := loads(t, path), loads(t, path)
	f.ask(t, first.pid())
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if f.ask(t, second.pid()); f.attaches != 1 {
		t.Errorf("attached %d times", f.attaches)
	}
}

// TestWritten attaches anew to a file whose content was changed in place.
func TestWritten(t *testing.T) {
	f := newFake()
	f.start(t, nil)
	path := libssl(t, "libssl.so.3")
	first := loads(t, path)
	f.ask(t, first.pid())
	first.end()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	file.WriteString("more")
	file.Close()
	if about := f.ask(t, loads(t, path).pid()); about.Opaque != Read {
		t.Errorf("%+v", about)
	}
	if f.attaches != 2 || f.attached[ino(t, path)] != 1 {
		t.Errorf("attached %d times, now to %v", f.attaches, f.attached)
	}
}

// TestMountNamespace has another file mounted over the library in a process's own namespace.
func TestMountNamespace(t *testing.T) {
	f := newFake()
	f.start(t, nil)
	here, there := libssl(t, "libssl.so.3"), libssl(t, "other.so")
	needMounts(t)
	inside := run(t, "unshare", "-m", "sh", "-c", `mount --bind "$1" "$2" && exec python3 -c '
import ctypes, sys
ctypes.CDLL(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()' "$2"`, "sh", there, here)
	f.ask(t, inside.pid())
	f.ask(t, loads(t, here).pid())
	if f.attached[ino(t, here)] != 1 || f.attached[ino(t, there)] != 1 {
		t.Errorf("attached to %v", f.attached)
	}
	located(t, inside.pid(), procdir.byName, func(m *mapped) bool { return m.ino == ino(t, there) })
}

// TestOverlay attaches once to a file that two containers of one image map, and again to the copy that
// one of them wrote.
func TestOverlay(t *testing.T) {
	needMounts(t)
	f := newFake()
	f.start(t, nil)
	lower := filepath.Dir(libssl(t, "libssl.so.3"))
	var names []string
	for range 2 {
		dir := t.TempDir()
		for _, sub := range []string{"upper", "work", "merged"} {
			if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		merged := filepath.Join(dir, "merged")
		options := "lowerdir=" + lower + ",upperdir=" + dir + "/upper,workdir=" + dir + "/work"
		if err := unix.Mount("overlay", merged, "overlay", 0, options); err != nil {
			t.Skipf("mount an overlay: %v", err)
		}
		t.Cleanup(func() { unix.Unmount(merged, unix.MNT_DETACH) })
		names = append(names, filepath.Join(merged, "libssl.so.3"))
	}
	for _, name := range names {
		p := loads(t, name)
		if about := f.ask(t, p.pid()); about.Opaque != Read || f.attaches != 1 {
			t.Errorf("%+v, attached %d times", about, f.attaches)
		}
		located(t, p.pid(), procdir.byName, func(m *mapped) bool { return m.overlay })
	}
	if err := os.Chmod(names[1], 0o700); err != nil {
		t.Fatal(err)
	}
	if about := f.ask(t, loads(t, names[1]).pid()); about.Opaque != Read || f.attaches != 2 {
		t.Errorf("the copy: %+v, attached %d times", about, f.attaches)
	}
}

// TestNames locates files by mapping and by name, whatever the name.
func TestNames(t *testing.T) {
	for _, name := range []string{
		"libssl.so.3", "lib\nssl.so", `lib\012ssl.so`, "libssl.so (deleted)", "a  b", " ", "libssl\x01\xff.so", `\`,
		strings.Repeat("n", 255),
	} {
		t.Run(name, func(t *testing.T) {
			path := libssl(t, name)
			p := loads(t, path)
			isIt := func(m *mapped) bool { return m.ino == ino(t, path) }
			located(t, p.pid(), procdir.byMapping, isIt)
			located(t, p.pid(), procdir.byName, isIt)
		})
	}
}

// TestNamesOfOthers finds nothing by a name that leads to something else now.
func TestNamesOfOthers(t *testing.T) {
	tests := []struct {
		name string
		put  func(path string) error
		want error
	}{
		{"another file", func(path string) error { return os.WriteFile(path, []byte("other"), 0o600) }, errChanged},
		{"nothing", func(string) error { return nil }, fs.ErrNotExist},
		{"a FIFO", func(path string) error { return unix.Mkfifo(path, 0o600) }, errNotRegular},
		{"a socket", func(path string) error { return unix.Mknod(path, unix.S_IFSOCK|0o600, 0) }, errNotRegular},
		{"a directory", func(path string) error { return os.Mkdir(path, 0o700) }, errNotRegular},
		{"a device", func(path string) error { return os.Symlink("/dev/zero", path) }, errNotRegular},
		{"itself", func(path string) error { return os.Symlink(path, path) }, unix.ELOOP},
		{"a magic link", func(path string) error { return os.Symlink("/proc/self/exe", path) }, unix.ELOOP},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := libssl(t, "libssl.so.3")
			p := loads(t, path)
			dir, m := mapsOf(t, p.pid(), path)
			if err := errors.Join(os.Rename(path, path+".kept"), test.put(path)); err != nil {
				t.Fatal(err)
			}
			if _, err := dir.byName(m); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			found, err := dir.locate(m)
			if err != nil || found.ino != ino(t, path+".kept") {
				t.Fatalf("by mapping: %+v, %v", found, err)
			}
			found.close()
		})
	}
}

func ino(t *testing.T, path string) uint64 {
	t.Helper()
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		t.Fatal(err)
	}
	return s.Ino
}

// located checks that one of the files that a process maps is found in a way and is right.
func located(t *testing.T, pid uint32, way func(procdir, mapping) (*mapped, error), isRight func(*mapped) bool) {
	t.Helper()
	dir, all := allMaps(t, pid)
	for _, m := range all {
		found, err := way(dir, m)
		if err != nil {
			t.Errorf("%q: %v", m.name, err)
			continue
		}
		right := isRight(found)
		found.close()
		if right {
			return
		}
	}
	t.Errorf("not found among %+v", all)
}

func allMaps(t *testing.T, pid uint32) (procdir, []mapping) {
	t.Helper()
	dir, err := openProcess("/proc", pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.close() })
	all, err := dir.maps()
	if err != nil {
		t.Fatal(err)
	}
	return dir, all
}

func mapsOf(t *testing.T, pid uint32, path string) (procdir, mapping) {
	t.Helper()
	dir, all := allMaps(t, pid)
	for _, m := range all {
		if m.name == path {
			return dir, m
		}
	}
	t.Fatalf("%s is not mapped", path)
	return dir, mapping{}
}

func needMounts(t *testing.T) {
	t.Helper()
	if out, err := exec.Command(need(t, "unshare"), "-m", "mount", "-t", "tmpfs", "none", "/mnt").CombinedOutput(); err != nil {
		t.Skipf("mounting is not permitted: %s", out)
	}
}

// TestParseMaps reads lines as the kernel writes them, and others.
func TestParseMaps(t *testing.T) {
	const text = "561e11e6e000-561e11e70000 r--p 00000000 fe:00 247026                     /usr/bin/cat\n" +
		"561e11e70000-561e11e75000 r-xp 00002000 fe:00 247026                     /usr/bin/cat\n" +
		"561e11e80000-561e11e85000 r-xp 00009000 fe:00 247026                     /usr/bin/cat\n" +
		"7f94aded0000-7f94adef2000 rwxp 00000000 00:00 0 \n" +
		"7f94aded0000-7f94adef2000 r-xs 00000000 103:fffff 18446744073709551615   /a b (deleted)\n" +
		"../../../etc/1-2 r-xp 00000000 00:01 7 /etc/shadow\n" +
		"1-2 r-xp 00000000 00:01\n" +
		"1-2 r-xp 0 zz:01 7 /x\n" +
		"\n   x\nr-x\n" +
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n" +
		"00400000-0040c000 r-xp 00000000 00:02 8 "
	found, err := parseMaps(strings.NewReader(text))
	if err != nil || len(found) != 3 {
		t.Fatalf("%+v, %v", found, err)
	}
	if m := found[0]; m.span != "561e11e70000-561e11e75000" || m.dev != unix.Mkdev(0xfe, 0) || m.ino != 247026 || m.base() != "cat" {
		t.Errorf("%+v", m)
	}
	if m := found[1]; m.name != "/a b (deleted)" || m.base() != "a b" || m.dev != unix.Mkdev(0x103, 0xfffff) {
		t.Errorf("%+v", m)
	}
	if m := found[2]; m.span != "400000-40c000" || m.name != "" || m.base() != "" || m.ino != 8 {
		t.Errorf("%+v", m)
	}
}

// TestParseMapsBounds reads no more than it should.
func TestParseMapsBounds(t *testing.T) {
	var b strings.Builder
	for i := range 2 * maxFiles {
		b.WriteString("1-2 r-xp 0 00:01 " + string(rune('1'+i%9)) + strings.Repeat("0", i%19) + " /x\n")
	}
	for i := range 2 * maxFiles {
		b.WriteString("1-2 r-xp 0 " + string("0123456789abcdef"[i/256%16]) + string("0123456789abcdef"[i/16%16]) +
			string("0123456789abcdef"[i%16]) + ":00 1 /x\n")
	}
	if found, err := parseMaps(strings.NewReader(b.String())); err != nil || len(found) != maxFiles {
		t.Errorf("%d files, %v", len(found), err)
	}
	if _, err := parseMaps(strings.NewReader(strings.Repeat("x", 1<<20))); !errors.Is(err, bufio.ErrTooLong) {
		t.Errorf("a line without end: %v", err)
	}
}

func FuzzParseMaps(f *testing.F) {
	f.Add("561e11e70000-561e11e75000 r-xp 00002000 fe:00 247026                     /usr/bin/cat\n")
	f.Fuzz(func(t *testing.T, text string) {
		found, _ := parseMaps(strings.NewReader(text))
		for _, m := range found {
			if m.ino == 0 || strings.Contains(m.span, "/") || strings.Contains(m.name, "\n") {
				t.Errorf("%+v", m)
			}
			if strings.Contains(m.base(), "/") {
				t.Errorf("%q", m.base())
			}
			m.paths()
		}
	})
}
