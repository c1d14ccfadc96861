package main

import (
	"strings"
	"testing"
)

func TestParseUp(t *testing.T) {
	o, err := parseUp([]string{"-name", "x", "-nodes", "3", "-layout", "systemd", "-cgroup", "v2", "-index", "4", "-image", "doc.go", "-program", "localhost/a:b=main.go"})
	if err != nil {
		t.Fatal(err)
	}
	if o.Name != "x" || o.Nodes != 3 || o.Layout != layoutSystemd || o.Cgroup != cgroupV2 || o.Index != 4 {
		t.Errorf("%+v", o)
	}
	if len(o.archives) != 1 || len(o.programs) != 1 || o.programs[0] != (program{"localhost/a:b", "main.go"}) {
		t.Errorf("%+v", o)
	}
}

func TestRefused(t *testing.T) {
	for args, says := range map[string]string{
		"-nodes 0":                         "1 to 9",
		"-nodes 10":                        "1 to 9",
		"-index 10":                        "0 to 9",
		"-layout kind":                     "cgroupfs or systemd",
		"-cgroup v1":                       "host or v2",
		"-name ../x":                       "small letters",
		"-name X":                          "small letters",
		"-image none.tar":                  "none.tar",
		"-image .":                         "no file",
		"-program a=none":                  "none",
		"-program service":                 "help requested", // package flag has said the rest
		"-nodes 2 and more":                "2 arguments",
		"-name " + strings.Repeat("x", 21): "small letters",
	} {
		if _, err := parseUp(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v, want one with %q", args, err, says)
		}
	}
}
