package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// change is what to change of a container's configuration (config.md of the OCI runtime specification).
type change struct{ systemd, noLimits bool }

// file changes the file.
func (c change) file(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if text, err = c.configuration(text); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.WriteFile(name, text, 0o600)
}

// configuration returns the changed text. All that it does not know stays as it is.
func (c change) configuration(text []byte) ([]byte, error) {
	var whole map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // limits have more digits than a float64
	if err := d.Decode(&whole); err != nil {
		return nil, err
	}
	linux, ok := whole["linux"].(map[string]any)
	if !ok {
		return text, nil
	}
	if resources, ok := linux["resources"].(map[string]any); ok && c.noLimits {
		for _, controller := range []string{"cpu", "memory", "pids", "blockIO", "hugepageLimits", "unified"} {
			delete(resources, controller)
		}
	}
	if path, ok := linux["cgroupsPath"].(string); ok && c.systemd {
		linux["cgroupsPath"] = systemdPath(path)
	}
	return json.Marshal(whole)
}

// ofContainer matches what the kubelet's driver cgroupfs makes: [ROOT]/kubepods/[CLASS/]podUID/CONTAINER.
var ofContainer = regexp.MustCompile(`^(.*)/kubepods/(?:(burstable|besteffort)/)?pod([^/]+)/([^/]+)$`)

// systemdPath returns the path that the driver systemd would have made. A slice's name says where it is: with hyphens between
// levels, so that those of the pod's UID become underscores (systemd.slice(5), and cgroup_manager_linux.go of the kubelet).
func systemdPath(path string) string {
	m := ofContainer.FindStringSubmatch(path)
	if m == nil {
		return path
	}
	root, class, uid, id := m[1], m[2], m[3], m[4]
	path, slice := root+"/kubepods.slice", "kubepods"
	if class != "" {
		slice += "-" + class
		path += "/" + slice + ".slice"
	}
	slice += "-pod" + strings.ReplaceAll(uid, "-", "_")
	return path + "/" + slice + ".slice/cri-containerd-" + id + ".scope"
}
