package https

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// multiarch is Debian's name of the folders with libraries.
var multiarch = map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[runtime.GOARCH]

// release returns the folder with the libraries of a release of Debian, which scripts/tlslibs.sh fetched.
func release(t *testing.T, name string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(cache, "fathom-tlslibs", name+"-"+runtime.GOARCH)
	if _, err := os.Stat(root); err != nil {
		if os.Getenv("FATHOM_REQUIRE_TOOLS") != "" {
			t.Fatalf("%v: run scripts/tlslibs.sh", err)
		}
		t.Skipf("%v: run scripts/tlslibs.sh", err)
	}
	return root
}

// container is the root of one: an overlay over an image, as container runtimes make it, with a server in it.
type container struct {
	t    *testing.T
	root string
	libs string // the folder of libraries
}

func newContainer(t *testing.T, image string) *container {
	t.Helper()
	// Not t.TempDir(): that may be an overlay itself, over which none can be mounted.
	dir, err := os.MkdirTemp("/dev/shm", "fathom-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := &container{t: t, root: filepath.Join(dir, "root")}
	c.libs = filepath.Join(c.root, "usr/lib", multiarch)
	upper, work := filepath.Join(dir, "upper"), filepath.Join(dir, "work")
	for _, d := range []string{c.root, upper, work} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount("overlay", c.root, "overlay", 0, "lowerdir="+image+",upperdir="+upper+",workdir="+work); err != nil {
		t.Fatalf("mount an overlay: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(c.root, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	compile(t, filepath.Join(c.root, "server"), "-ldl")
	certificate(t, c.root)
	for name, to := range map[string]string{"lib": "usr/lib", "lib64": "usr/lib/" + multiarch} {
		if err := os.Symlink(to, filepath.Join(c.root, name)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// serve starts a server under a name in the container, with mounts and processes of its own.
func (c *container) serve(name string) server {
	c.t.Helper()
	if err := os.Link(filepath.Join(c.root, "server"), filepath.Join(c.root, name)); err != nil {
		c.t.Fatal(err)
	}
	attributes := syscall.SysProcAttr{Chroot: c.root, Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID}
	return serve(c.t, attributes, "/"+name, "/usr/lib/"+multiarch+"/libssl.so.3", "plain", "serve", "/tls.crt", "/tls.key")
}

// replace puts the files of another image in the place of those with the same names, as a package manager does.
func (c *container) replace(image string, names ...string) {
	c.t.Helper()
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(image, "usr/lib", multiarch, name))
		if err != nil {
			c.t.Fatal(err)
		}
		there := filepath.Join(c.libs, name)
		if err := os.WriteFile(there+".new", content, 0o755); err != nil { //nolint:gosec // as libraries are
			c.t.Fatal(err)
		}
		if err := os.Rename(there+".new", there); err != nil {
			c.t.Fatal(err)
		}
	}
}
