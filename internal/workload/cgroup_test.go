package workload

import (
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	idA = "3f1b6c0d9e8a7f5c4b3a29181716151413121110f0e0d0c0b0a0908070605040"
	idB = "aa1b6c0d9e8a7f5c4b3a29181716151413121110f0e0d0c0b0a09080706050bb"
	uid = "8f6e5d4c-3b2a-4190-8877-665544332211"
)

var underscored = strings.ReplaceAll(uid, "-", "_")

// layouts are paths as found on real hosts.
var layouts = []struct {
	name, path string
	want       Cgroup
}{
	{"root", "", Cgroup{}},
	{"root slash", "/", Cgroup{}},

	// systemd
	{"unit", "/system.slice/nginx.service", Cgroup{Unit: "nginx.service"}},
	{"template unit", "/system.slice/system-getty.slice/getty@tty1.service", Cgroup{Unit: "getty@tty1.service"}},
	{"escaped template", `/system.slice/system-foo.slice/foo@a\x2db.service`, Cgroup{Unit: `foo@a\x2db.service`}},
	{"own slice", "/web.slice/web-front.slice/nginx.service", Cgroup{Unit: "nginx.service"}},
	{"delegated", "/system.slice/foo.service/worker-1", Cgroup{Unit: "foo.service"}},
	{"delegated deep", "/system.slice/foo.service/pool/worker-1", Cgroup{Unit: "foo.service"}},
	{"postgres with supervisor", "/system.slice/system-postgresql.slice/postgresql@16-main.service", Cgroup{Unit: "postgresql@16-main.service"}},
	{"user manager", "/user.slice/user-1000.slice/user@1000.service", Cgroup{Unit: "user@1000.service"}},
	{"user manager itself", "/user.slice/user-1000.slice/user@1000.service/init.scope", Cgroup{}},
	{"user unit", "/user.slice/user-1000.slice/user@1000.service/app.slice/syncthing.service", Cgroup{Unit: "syncthing.service", User: true}},
	{"unit below a service", "/system.slice/ci.service/nginx.service", Cgroup{Unit: "ci.service"}},
	{"user app scope", "/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-firefox-4242.scope", Cgroup{}},
	{"login session", "/user.slice/user-1000.slice/session-3.scope", Cgroup{}},
	{"PID 1", "/init.scope", Cgroup{}},
	{"mount helper", "/system.slice/srv-data.mount", Cgroup{Unit: "srv-data.mount"}},
	{"socket helper", "/system.slice/docker.socket", Cgroup{Unit: "docker.socket"}},
	{"slice only", "/system.slice", Cgroup{}},
	{"suffix only", "/system.slice/.service", Cgroup{}},
	{"snap service", "/system.slice/snap.lxd.daemon.service", Cgroup{Unit: "snap.lxd.daemon.service"}},
	{"snap application", "/user.slice/user-1000.slice/user@1000.service/app.slice/snap.chromium.chromium-3c7a.scope", Cgroup{}},
	{"virtual machine", `/machine.slice/machine-qemu\x2d1\x2dweb.scope/libvirt/emulator`, Cgroup{}},

	// machines of systemd's
	{"nspawn", "/machine.slice/machine-deb.scope/payload/system.slice/ssh.service", Cgroup{Unit: "ssh.service", ContainerID: "deb"}},
	{"nspawn with a dash", `/machine.slice/machine-deb\x2d12.scope/payload/system.slice/ssh.service`, Cgroup{Unit: "ssh.service", ContainerID: "deb-12"}},
	{"nspawn as a service", "/machine.slice/systemd-nspawn@deb.service/payload/system.slice/ssh.service", Cgroup{Unit: "ssh.service", ContainerID: "deb"}},
	{"nspawn as a service, with a dash", `/machine.slice/systemd-nspawn@deb\x2d12.service/payload/init.scope`, Cgroup{ContainerID: "deb-12"}},
	{"nspawn without a manager", "/machine.slice/machine-deb.scope/payload", Cgroup{ContainerID: "deb"}},
	{"nspawn's PID 1", "/machine.slice/machine-deb.scope/payload/init.scope", Cgroup{ContainerID: "deb"}},
	{"nspawn, login", "/machine.slice/machine-deb.scope/payload/user.slice/user-0.slice/session-1.scope", Cgroup{ContainerID: "deb"}},
	{"nspawn, user unit", "/machine.slice/machine-deb.scope/payload/user.slice/user-7.slice/user@7.service/app.slice/a.service", Cgroup{Unit: "a.service", User: true, ContainerID: "deb"}},
	{"nspawn of a user", "/user.slice/user-7.slice/user@7.service/machine.slice/machine-deb.scope/payload/system.slice/a.service", Cgroup{Unit: "a.service", ContainerID: "deb"}},
	{"nspawn in nspawn", "/machine.slice/machine-out.scope/payload/machine.slice/systemd-nspawn@in.service/payload/system.slice/a.service", Cgroup{Unit: "a.service", ContainerID: "in"}},
	{"nspawn itself", "/machine.slice/systemd-nspawn@deb.service/supervisor", Cgroup{Unit: "systemd-nspawn@deb.service"}},
	{"nspawn itself in a scope", "/machine.slice/machine-deb.scope/supervisor", Cgroup{}},
	{"docker in nspawn", "/machine.slice/machine-deb.scope/payload/system.slice/docker-" + idA + ".scope", Cgroup{ContainerID: idA}},
	{"libvirt-lxc", `/machine.slice/machine-lxc\x2d1\x2dweb.scope/system.slice/ssh.service`, Cgroup{Unit: "ssh.service", ContainerID: "lxc-1-web"}},
	{"libvirt-lxc, PID 1", `/machine.slice/machine-lxc\x2d1\x2dweb.scope/init.scope`, Cgroup{ContainerID: "lxc-1-web"}},
	{"payload of a service", "/system.slice/web.service/payload", Cgroup{Unit: "web.service"}},
	{"machine in a name", "/system.slice/machine-learning.service/payload", Cgroup{Unit: "machine-learning.service"}},

	// units of single connections
	{"per connection", "/system.slice/system-sshd.slice/sshd@12-10.0.0.1:22-10.0.0.2:5555.service", Cgroup{Unit: "sshd@.service"}},
	{"per connection with cookie", "/system.slice/system-sshd.slice/sshd@12-8193-10.0.0.1:22-10.0.0.2:5555.service", Cgroup{Unit: "sshd@.service"}},
	{"per connection, IPv6", "/system.slice/system-sshd.slice/sshd@0-2001:db8::1:22-2001:db8::2:5555.service", Cgroup{Unit: "sshd@.service"}},
	{"per connection, IPv6 with cookie", "/system.slice/system-sshd.slice/sshd@0-7-::1:22-fe80::1:5555.service", Cgroup{Unit: "sshd@.service"}},
	{"per connection, vsock", "/system.slice/system-sshd.slice/sshd@0-7-3:22-2:4294967295.service", Cgroup{Unit: "sshd@.service"}},
	{"per connection, of a user", "/user.slice/user-7.slice/user@7.service/app.slice/app-echo.slice/echo@3-127.0.0.1:7-127.0.0.1:40000.service", Cgroup{Unit: "echo@.service", User: true}},
	{"per connection, below", "/system.slice/system-sshd.slice/sshd@12-10.0.0.1:22-10.0.0.2:5555.service/x", Cgroup{Unit: "sshd@.service"}},
	{"instance that is a date", "/system.slice/system-backup.slice/backup@2026-11-29.service", Cgroup{Unit: "backup@2026-11-29.service"}},
	{"instance that is an address", "/system.slice/system-proxy.slice/proxy@10.0.0.1:80.service", Cgroup{Unit: "proxy@10.0.0.1:80.service"}},
	{"instance of two addresses", "/system.slice/system-tunnel.slice/tunnel@10.0.0.1:80-10.0.0.2:80.service", Cgroup{Unit: "tunnel@10.0.0.1:80-10.0.0.2:80.service"}},
	{"instance with a number and an address", "/system.slice/system-tunnel.slice/tunnel@1-10.0.0.1:80.service", Cgroup{Unit: "tunnel@1-10.0.0.1:80.service"}},
	{"instance with names", "/system.slice/system-tunnel.slice/tunnel@1-a:80-b:80.service", Cgroup{Unit: "tunnel@1-a:80-b:80.service"}},
	{"Unix connection", "/system.slice/system-core.slice/core@3-1234-0.service", Cgroup{Unit: "core@3-1234-0.service"}},
	{"no template", "/system.slice/@1-10.0.0.1:22-10.0.0.2:5555.service", Cgroup{Unit: "@1-10.0.0.1:22-10.0.0.2:5555.service"}},
	{"mount like a connection", "/system.slice/a@1-10.0.0.1:22-10.0.0.2:5.mount", Cgroup{Unit: "a@1-10.0.0.1:22-10.0.0.2:5.mount"}},

	// container engines
	{"docker systemd", "/system.slice/docker-" + idA + ".scope", Cgroup{ContainerID: idA}},
	{"docker cgroupfs", "/docker/" + idA, Cgroup{ContainerID: idA}},
	{"docker rootless", "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" + idA + ".scope", Cgroup{ContainerID: idA}},
	{"docker with init", "/system.slice/docker-" + idA + ".scope/init", Cgroup{ContainerID: idA}},
	{"docker in docker", "/docker/" + idA + "/docker/" + idB, Cgroup{ContainerID: idB}},
	{"compose parent", "/mygroup.slice/docker-" + idA + ".scope", Cgroup{ContainerID: idA}},
	{"containerd ctr", "/default/" + idA, Cgroup{ContainerID: idA}},
	{"nerdctl", "/system.slice/nerdctl-" + idA + ".scope", Cgroup{ContainerID: idA}},
	{"podman", "/machine.slice/libpod-" + idA + ".scope", Cgroup{ContainerID: idA}},
	{"podman payload", "/machine.slice/libpod-" + idA + ".scope/container", Cgroup{ContainerID: idA}},
	{"podman rootless", "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + idA + ".scope/container", Cgroup{ContainerID: idA}},
	{"podman cgroupfs", "/libpod_parent/libpod-" + idA, Cgroup{ContainerID: idA}},
	{"podman quadlet", "/system.slice/web.service/libpod-payload-" + idA, Cgroup{ContainerID: idA}},
	{"podman monitor", "/machine.slice/libpod-conmon-" + idA + ".scope", Cgroup{}},
	{"quadlet monitor", "/system.slice/web.service/runtime", Cgroup{Unit: "web.service"}},
	{"ECS", "/ecs/b0c1d2e3f4a5968778695a4b3c2d1e0f/" + idA, Cgroup{ContainerID: idA}},
	{"ECS systemd", "/ecstasks.slice/ecstasks-b0c1d2e3f4a5968778695a4b3c2d1e0f.slice/docker-" + idA + ".scope", Cgroup{ContainerID: idA}},
	{"systemd in docker", "/system.slice/docker-" + idA + ".scope/system.slice/nginx.service", Cgroup{Unit: "nginx.service", ContainerID: idA}},
	{"PID 1 in docker", "/system.slice/docker-" + idA + ".scope/init.scope", Cgroup{ContainerID: idA}},
	{"docker daemon", "/system.slice/docker.service", Cgroup{Unit: "docker.service"}},

	// LXC
	{"lxc", "/lxc.payload.web1", Cgroup{ContainerID: "web1"}},
	{"lxc unit", "/lxc.payload.web1/system.slice/nginx.service", Cgroup{Unit: "nginx.service", ContainerID: "web1"}},
	{"lxc 4.0", "/lxc.payload/web1/init.scope", Cgroup{ContainerID: "web1"}},
	{"proxmox", "/lxc/101/ns/system.slice/ssh.service", Cgroup{Unit: "ssh.service", ContainerID: "101"}},
	{"proxmox init", "/lxc/101/ns/init.scope", Cgroup{ContainerID: "101"}},
	{"lxc monitor", "/lxc.monitor.web1", Cgroup{}},

	// Kubernetes, systemd driver
	{"containerd burstable", "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + underscored + ".slice/cri-containerd-" + idA + ".scope", Cgroup{ContainerID: idA, PodUID: uid, PodRoot: "/"}},
	{"containerd besteffort", "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + underscored + ".slice/cri-containerd-" + idA + ".scope", Cgroup{ContainerID: idA, PodUID: uid, PodRoot: "/"}},
	{"containerd guaranteed", "/kubepods.slice/kubepods-pod" + underscored + ".slice/cri-containerd-" + idA + ".scope", Cgroup{ContainerID: idA, PodUID: uid, PodRoot: "/"}},
	{"crio", "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + underscored + ".slice/crio-" + idA + ".scope", Cgroup{ContainerID: idA, PodUID: uid, PodRoot: "/"}},
	{"crio payload", "/kubepods.slice/kubepods-pod" + underscored + ".slice/crio-" + idA + ".scope/container", Cgroup{ContainerID: idA, PodUID: uid, PodRoot: "/"}},
	{"crio monitor", "/kubepods.slice/kubepods-pod" + underscored + ".slice/crio-conmon-" + idA + ".scope", Cgroup{PodUID: uid, PodRoot: "/"}},
	{"cri-dockerd", "/kubepods.slice/kubepods-pod" + underscored + ".slice/docker-" + idA + ".scope", Cgroup{ContainerID: idA, PodUID: uid, PodRoot: "/"}},
	{"kind", "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod" + underscored + ".slice/cri-containerd-" + idA + ".scope", Cgroup{ContainerID: idA, PodUID: uid, PodRoot: "/kubelet.slice/"}},
	{"kind from outside", "/system.slice/docker-" + idB + ".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + underscored + ".slice/cri-containerd-" + idA + ".scope", Cgroup{ContainerID: idA, PodUID: uid, PodRoot: "/system.slice/docker-" + idB + ".scope/kubelet.slice/"}},
	{"static pod", "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0123456789abcdef0123456789abcdef.slice/cri-containerd-" + idA + ".scope", Cgroup{ContainerID: idA, PodUID: "0123456789abcdef0123456789abcdef", PodRoot: "/"}},
	{"pod without container", "/kubepods.slice/kubepods-pod" + underscored + ".slice", Cgroup{PodUID: uid, PodRoot: "/"}},
	{"systemd in a pod", "/kubepods.slice/kubepods-pod" + underscored + ".slice/cri-containerd-" + idA + ".scope/system.slice/nginx.service", Cgroup{Unit: "nginx.service", ContainerID: idA, PodUID: uid, PodRoot: "/"}},

	// Kubernetes, cgroupfs driver
	{"cgroupfs burstable", "/kubepods/burstable/pod" + uid + "/" + idA, Cgroup{ContainerID: idA, PodUID: uid, PodRoot: "/"}},
	{"cgroupfs guaranteed", "/kubepods/pod" + uid + "/" + idA, Cgroup{ContainerID: idA, PodUID: uid, PodRoot: "/"}},
	{"cgroupfs crio", "/kubepods/besteffort/pod" + uid + "/crio-" + idA, Cgroup{ContainerID: idA, PodUID: uid, PodRoot: "/"}},
	{"k3s in docker", "/docker/" + idB + "/kubepods/pod" + uid + "/" + idA, Cgroup{ContainerID: idA, PodUID: uid, PodRoot: "/docker/" + idB + "/"}},
	{"mixed drivers", "/system.slice/containerd.service/kubepods-burstable-pod" + underscored + ".slice:cri-containerd:" + idA, Cgroup{ContainerID: idA, PodUID: uid, PodRoot: "/system.slice/containerd.service/"}},
	{"mixed drivers, docker", "/system.slice:docker:" + idA, Cgroup{ContainerID: idA}},

	// names that only look alike
	{"short hex", "/docker/3f1b6c0d9e8a", Cgroup{}},
	{"upper case", "/docker/" + strings.ToUpper(idA), Cgroup{}},
	{"65 digits", "/docker/a" + idA, Cgroup{}},
	{"pod without uid", "/kubepods/podcast", Cgroup{}},
	{"slice named pod", "/team-pod" + underscored + ".slice/a.service", Cgroup{Unit: "a.service"}},
	{"kubelet", "/system.slice/kubelet.service", Cgroup{Unit: "kubelet.service"}},
	{"removed", "/system.slice/nginx.service (deleted)", Cgroup{}},
}

func TestParseCgroup(t *testing.T) {
	for _, tt := range layouts {
		t.Run(tt.name, func(t *testing.T) {
			if got := ParseCgroup(tt.path); got != tt.want {
				t.Errorf("ParseCgroup(%q)\n got %+v\nwant %+v", tt.path, got, tt.want)
			}
		})
	}
}

func TestLabelsOf(t *testing.T) {
	long := strings.Repeat("é", 200)
	for _, tt := range []struct {
		name    string
		path    string
		command string
		want    Labels
	}{
		{"unit", "/system.slice/nginx.service", "nginx", Labels{Workload: "nginx.service", Kind: KindUnit}},
		{"container", "/docker/" + idA, "java", Labels{Workload: idA[:12], Kind: KindContainer, Container: idA[:12]}},
		{"lxc", "/lxc.payload.web1/init.scope", "init", Labels{Workload: "web1", Kind: KindContainer, Container: "web1"}},
		{"unit in container", "/lxc.payload.web1/system.slice/a.service", "a", Labels{Workload: "a.service", Kind: KindUnit, Container: "web1"}},
		{"process", "/user.slice/user-0.slice/session-1.scope", "python3", Labels{Workload: "python3", Kind: KindProcess}},
		{"nothing known", "/", "", Labels{Workload: Unknown, Kind: KindProcess}},
		{"control characters", "/", "a\nb\x1b[31m\u2028", Labels{Workload: "a\uFFFDb\uFFFD[31m\uFFFD", Kind: KindProcess}},
		{"not UTF-8", "/", "a\xff\xfeb", Labels{Workload: "a\uFFFD\uFFFDb", Kind: KindProcess}},
		{"right-to-left override", "/", "a\u202eb", Labels{Workload: "a\uFFFDb", Kind: KindProcess}},
		{"blank", "/", "  \t", Labels{Workload: "\uFFFD", Kind: KindProcess}},
		{"nothing but blanks", "/", "   ", Labels{Workload: "\uFFFD", Kind: KindProcess}},
		{"container without a visible name", "/lxc.payload. ", "x", Labels{Workload: "\uFFFD", Kind: KindContainer, Container: "\uFFFD"}},
		{"unit in a machine", "/machine.slice/machine-deb.scope/payload/system.slice/a.service", "a", Labels{Workload: "a.service", Kind: KindUnit, Container: "deb"}},
		{"hostile unit", "/system.slice/a\"b\n.service", "x", Labels{Workload: "a\"b\uFFFD.service", Kind: KindUnit}},
		{"overlong", "/", long, Labels{Workload: clean(long), Kind: KindProcess}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := labelsOf(ParseCgroup(tt.path), tt.command); got != tt.want {
				t.Errorf("got %+q, want %+q", got, tt.want)
			}
		})
	}
	if a, b := clean(long), clean(long+"b"); len(a) > maxName || !utf8.ValidString(a) || a == b {
		t.Errorf("long names: %d bytes, %q, %q", len(a), a, b)
	}
}

func FuzzParseCgroup(f *testing.F) {
	for _, tt := range layouts {
		f.Add(tt.path, "nginx")
	}
	f.Add("/lxc/\xff/a:b:c", "\x00\n")
	f.Fuzz(func(t *testing.T, path, command string) {
		c := ParseCgroup(path)
		unit, _ := strings.CutSuffix(c.Unit, "@.service") // of a template, which is no component
		for _, part := range []string{unit, c.ContainerID} {
			if strings.Contains(part, "/") || !strings.Contains(path, part) && !strings.Contains(unescapeDash(path), part) {
				t.Errorf("%q is no component of %q", part, path)
			}
		}
		if n := len(c.PodUID); n != 0 && n != 32 && n != uuidChars {
			t.Errorf("pod uid %q of %q", c.PodUID, path)
		}
		l := labelsOf(c, command)
		for _, v := range []string{l.Workload, l.Kind, l.Container} {
			if !utf8.ValidString(v) || len(v) > maxName || strings.ContainsAny(v, "\n\x00\x1b") {
				t.Errorf("label value %q", v)
			}
		}
		if l.Workload == "" || l.Kind == "" {
			t.Errorf("nameless: %+v", l)
		}
	})
}
