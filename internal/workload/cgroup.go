package workload

import (
	"net/netip"
	"strconv"
	"strings"
)

// Cgroup is what the path of a cgroup tells about its processes.
type Cgroup struct {
	// Unit is the systemd unit with processes of its own (nginx.service,
	// foo@1.service): the outermost, since a service may name what it makes below its
	// own cgroup as it likes. Of units that systemd makes one of per connection it is their
	// template (sshd@.service). It is empty outside of units, in scopes, and where a container is
	// further in than the unit.
	Unit string
	// User tells that the unit belongs to a user's manager (user@1000.service) and
	// not to the system's.
	User bool
	// ContainerID is the full id of the innermost container, or the name of
	// an LXC container or of a machine of systemd's (systemd-nspawn(1)).
	ContainerID string
	// PodUID is the UID of the Kubernetes pod, with dashes where the API server
	// writes them. Static pods have 32 hexadecimal digits without dashes.
	PodUID string
	// PodRoot is where the kubelet that made the pod has its cgroups: the path outside of the directory kubepods. It
	// begins and ends with a slash, and is empty outside of pods.
	PodRoot string
}

const (
	idDigits  = 64 // a container id of Docker, containerd, CRI-O, Podman
	uuidChars = 36
)

// ParseCgroup reads the path of a cgroup from its innermost directory outwards.
// The layouts are those of systemd (systemd.unit(5)), of the kubelet's two
// drivers (pkg/kubelet/cm/cgroup_manager_linux.go), and of runc, crun, conmon
// and liblxc. Anything else gives the zero value.
func ParseCgroup(path string) Cgroup {
	var c Cgroup
	whole := path
	scope := false
	for path != "" {
		var dir string
		path, dir = cutLast(path)
		switch {
		case c.ContainerID == "" && containerID(dir, path) != "":
			c.ContainerID = containerID(dir, path)
		case c.ContainerID == "" && c.PodUID == "" && (c.Unit != "" || scope) && machineScope(dir) != "":
			c.ContainerID = machineScope(dir) // a manager of its own runs in it
		case c.PodUID == "" && podUID(dir) != "":
			c.PodUID = podUID(dir)
		case c.ContainerID != "" || c.PodUID != "" || scope:
			// What is outside of a container or a scope does not name it.
		case c.Unit != "" && strings.HasPrefix(dir, "user@"):
			c.User = true
		case isUnit(dir):
			c.Unit = templateOf(dir)
		case strings.HasSuffix(dir, ".scope"):
			scope = true // a session or an application, not the manager around it
		}
		if c.PodUID == "" && c.ContainerID != "" {
			c.PodUID = podUID(dir) // both in one name, see colonID
		}
	}
	if c.PodUID != "" {
		c.PodRoot = podRoot(whole)
	}
	return c
}

// podRoot returns what is left of the innermost kubepods directory. Pods may hold nodes that hold pods.
func podRoot(path string) string {
	pods := strings.LastIndex(path, "kubepods.slice/")
	if pods < 0 {
		pods = strings.LastIndex(path, "kubepods")
	}
	if pods < 0 {
		return ""
	}
	return path[:strings.LastIndexByte(path[:pods], '/')+1]
}

// cutLast splits a path at its last slash.
func cutLast(path string) (rest, dir string) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}

// containerID returns the id that a directory's name carries. The parents are
// needed for LXC and for machines only.
func containerID(dir, parents string) string {
	if name, ok := strings.CutPrefix(dir, "lxc.payload."); ok {
		return name
	}
	switch _, parent := cutLast(parents); {
	case parent == "lxc" || parent == "lxc.payload":
		return dir
	case dir == "payload": // create_subcgroup of src/nspawn/nspawn-cgroup.c; what is beside it is systemd-nspawn itself
		if name := machineService(parent); name != "" {
			return name
		}
		return machineScope(parent)
	}
	if id := colonID(dir); id != "" {
		return id
	}
	name := strings.TrimSuffix(dir, ".scope")
	if len(name) < idDigits || !isHex(name[len(name)-idDigits:]) {
		return ""
	}
	prefix, id := name[:len(name)-idDigits], name[len(name)-idDigits:]
	switch {
	case prefix == "":
		return id
	case !strings.HasSuffix(prefix, "-"):
		return ""
	case strings.HasSuffix(prefix, "conmon-"):
		return "" // Podman's and CRI-O's monitor, outside of the container
	}
	return id
}

// machineService returns the name of the machine that a unit systemd-nspawn@NAME.service runs.
func machineService(dir string) string {
	name, ok := strings.CutSuffix(dir, ".service")
	name, nspawn := strings.CutPrefix(name, "systemd-nspawn@")
	if !ok || !nspawn {
		return ""
	}
	return unescapeDash(name)
}

// machineScope returns the name of the machine that machine-NAME.scope was made for: by systemd-machined, of containers
// and of virtual machines.
func machineScope(dir string) string {
	name, ok := strings.CutSuffix(dir, ".scope")
	name, machine := strings.CutPrefix(name, "machine-")
	if !ok || !machine {
		return ""
	}
	return unescapeDash(name)
}

// unescapeDash undoes what systemd.unit(5) does to the only character that it escapes of those in names of machines.
func unescapeDash(name string) string { return strings.ReplaceAll(name, `\x2d`, "-") }

// templateOf returns the template of a unit that systemd made for one connection, as it does for sockets with
// Accept=yes, and any other unit as it is. There are as many of them as connections, and clients choose their names.
func templateOf(unit string) string {
	name, instance, _ := strings.Cut(unit, "@")
	instance, service := strings.CutSuffix(instance, ".service")
	if name == "" || !service || !ofConnection(instance) {
		return unit
	}
	return name + "@.service"
}

// ofConnection tells whether an instance is named after a connection: instance_from_socket (src/core/socket.c) joins the
// number of connections so far, in newer versions the socket's cookie, and both ends. Connections of Unix sockets
// are named by numbers alone, as anything may be, and not recognised.
func ofConnection(instance string) bool {
	local, remote, ok := strings.Cut(endsOf(instance), "-")
	return ok && isEnd(local) && isEnd(remote)
}

// endsOf returns what follows the numbers in front of the ends of a connection.
func endsOf(instance string) string {
	number, ends, _ := strings.Cut(instance, "-")
	if !isDecimal(number) {
		return ""
	}
	if cookie, rest, ok := strings.Cut(ends, "-"); ok && isDecimal(cookie) {
		return rest
	}
	return ends
}

// isEnd tells whether a text is address:port, IPv6 addresses without brackets, or cid:port of vsock.
func isEnd(s string) bool {
	colon := strings.LastIndexByte(s, ':')
	if colon < 0 || !isDecimal(s[colon+1:]) {
		return false
	}
	_, err := netip.ParseAddr(s[:colon])
	return err == nil || isDecimal(s[:colon])
}

// isDecimal tells whether a text is a number of at most 64 bits.
func isDecimal(s string) bool {
	_, err := strconv.ParseUint(s, 10, 64)
	return err == nil
}

// colonID reads "slice:prefix:id", which runc makes of a systemd path when it
// runs with the cgroupfs driver.
func colonID(dir string) string {
	parts := strings.Split(dir, ":")
	if len(parts) == 3 && len(parts[2]) == idDigits && isHex(parts[2]) {
		return parts[2]
	}
	return ""
}

// podUID reads "pod<uid>" (cgroupfs driver) and
// "[...-]kubepods[-qos]-pod<uid with underscores>.slice" (systemd driver).
func podUID(dir string) string {
	dir, _, _ = strings.Cut(dir, ":")
	uid, ok := strings.CutPrefix(dir, "pod")
	if !ok {
		name, isSlice := strings.CutSuffix(dir, ".slice")
		i := strings.LastIndex(name, "-pod")
		if !isSlice || i < 0 || !strings.Contains(name[:i], "kubepods") {
			return ""
		}
		uid = strings.ReplaceAll(name[i+len("-pod"):], "_", "-")
	}
	if isUUID(uid) || len(uid) == 32 && isHex(uid) {
		return uid
	}
	return ""
}

// isUnit tells whether a directory is that of a unit that has processes. Slices
// have none, scopes are made by others than systemd.
func isUnit(dir string) bool {
	for _, suffix := range []string{".service", ".socket", ".mount", ".swap"} {
		if strings.HasSuffix(dir, suffix) {
			return len(dir) > len(suffix)
		}
	}
	return false
}

// shortID returns the 12 digits that container tools print.
func shortID(id string) string {
	if len(id) == idDigits && isHex(id) {
		return id[:12]
	}
	return id
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}

func isUUID(s string) bool {
	if len(s) != uuidChars {
		return false
	}
	for i := range len(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (s[i] == '-') || !dash && !isHex(s[i:i+1]) {
			return false
		}
	}
	return true
}
