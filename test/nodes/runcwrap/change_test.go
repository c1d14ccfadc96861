package main

import (
	"slices"
	"strings"
	"testing"
)

func TestSystemdPath(t *testing.T) {
	const uid, under = "0f5a1c2e-11d2-4c56-9d3b-3a5b6c7d8e9f", "0f5a1c2e_11d2_4c56_9d3b_3a5b6c7d8e9f"
	for path, want := range map[string]string{
		"/kubepods/burstable/pod" + uid + "/abc":        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + under + ".slice/cri-containerd-abc.scope",
		"/kubepods/besteffort/pod" + uid + "/abc":       "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + under + ".slice/cri-containerd-abc.scope",
		"/kubepods/pod" + uid + "/abc":                  "/kubepods.slice/kubepods-pod" + under + ".slice/cri-containerd-abc.scope",
		"/x-node2/kubepods/burstable/pod" + uid + "/ab": "/x-node2/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + under + ".slice/cri-containerd-ab.scope",
		"/elsewhere/abc":                                "/elsewhere/abc",
		"/kubepods/burstable/pod" + uid:                 "/kubepods/burstable/pod" + uid,
	} {
		if got := systemdPath(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

func TestConfiguration(t *testing.T) {
	const text = `{"ociVersion":"1.2.0","linux":{"cgroupsPath":"/kubepods/podu/c","resources":{"cpu":{"shares":2},"devices":[{"allow":false}],"memory":{"limit":9007199254740993}}}}`
	const moved = `"cgroupsPath":"/kubepods.slice/kubepods-podu.slice/cri-containerd-c.scope"`
	for _, c := range []struct {
		change      change
		has, hasNot []string
	}{
		{change{}, []string{`"cgroupsPath":"/kubepods/podu/c"`, `"limit":9007199254740993`, "devices", "ociVersion"}, nil},
		{change{systemd: true}, []string{moved, `"limit":9007199254740993`, "shares"}, nil},
		{change{noLimits: true}, []string{`"cgroupsPath":"/kubepods/podu/c"`, "devices"}, []string{"memory", "shares"}},
		{change{systemd: true, noLimits: true}, []string{moved, "devices"}, []string{"memory", "shares"}},
	} {
		got, err := c.change.configuration([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range c.has {
			if !strings.Contains(string(got), s) {
				t.Errorf("%+v: no %s in %s", c.change, s, got)
			}
		}
		for _, s := range c.hasNot {
			if strings.Contains(string(got), s) {
				t.Errorf("%+v: %s in %s", c.change, s, got)
			}
		}
	}
	if _, err := (change{}).configuration([]byte("{")); err == nil {
		t.Error("half a configuration is taken")
	}
	if got, err := (change{systemd: true}).configuration([]byte(`{"windows":{}}`)); err != nil || string(got) != `{"windows":{}}` {
		t.Errorf("without linux: %s, %v", got, err)
	}
}

func TestBundleOf(t *testing.T) {
	for args, want := range map[string]string{
		"--root /run/runc --log x create --bundle /b --pid-file p id": "/b",
		"--root /run/runc start id":                                   "",
		"--root /run/runc run --bundle /b id":                         "",
		"create --bundle":                                             "",
	} {
		if got := bundleOf(slices.Collect(strings.FieldsSeq(args))); got != want {
			t.Errorf("%s: %q, want %q", args, got, want)
		}
	}
}
