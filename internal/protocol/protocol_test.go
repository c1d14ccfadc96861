package protocol

import (
	"slices"
	"strings"
	"testing"
)

// Every entry says all that others take from it.
func TestEntriesAreWhole(t *testing.T) {
	for _, p := range All() {
		if p.Name != strings.ToLower(p.Name) || p.Title == "" || p.Family == nil || p.Recognised == "" || p.Matched == "" || p.Ended == "" {
			t.Errorf("%+v", p)
		}
		if Numbered(p.Number()) != p || p.Number() == 0 {
			t.Errorf("%s has the number %d", p.Name, p.Number())
		}
		if (p.Family.SystemLabel == "") != (p.System == "") {
			t.Errorf("%s: system %q of the label %q", p.Name, p.System, p.Family.SystemLabel)
		}
		carrier := p
		if p.Carrier != nil {
			carrier = p.Carrier
		}
		if c := ClassNamed(p.Class()); c.Protocol != carrier || carrier.Carrier != nil || c.Hides || c.enumerator == "" {
			t.Errorf("class of %s: %+v", p.Name, c)
		}
		operations := p.Operations.All()
		other := OtherOperation
		if p.Family.OperationLabel == "" {
			other = ""
		}
		if (len(operations) == 0) != (other == "") || p.Operation(0) != other || p.Operation(255) != other {
			t.Errorf("operations of %s: %q", p.Name, operations)
		}
		for _, name := range slices.Concat(p.Waits, p.Housekeeping) {
			if !slices.Contains(operations, name) {
				t.Errorf("%s has no operation %s", p.Name, name)
			}
		}
		for _, name := range p.Success {
			if !slices.Contains(p.Statuses.All(), name) {
				t.Errorf("%s has no status %s", p.Name, name)
			}
		}
		if p.Status(StatusAborted) != Aborted || p.Status(StatusOther) != Other || p.Status(StatusUnknown) != Unknown || p.Family.StatusLabel == "" {
			t.Errorf("common statuses of %s: %s, %s", p.Name, p.Status(StatusAborted), p.Status(StatusOther))
		}
		for _, names := range [][]string{operations, p.Statuses.All()} {
			unique := slices.Clone(names)
			slices.Sort(unique)
			if len(slices.Compact(unique)) != len(names) {
				t.Errorf("a name of %s stands for two numbers: %q", p.Name, names)
			}
		}
	}
}

func TestHTTP(t *testing.T) {
	for n, want := range map[uint16]string{99: Other, 100: "100", 503: "503", 599: "599", 600: Other, 0: Other, StatusAborted: Aborted} {
		if got := HTTP1.Status(n); got != want {
			t.Errorf("status %d is %s", n, got)
		}
	}
	for status, want := range map[string]bool{"200": false, "404": false, "500": true, "599": true, Aborted: true, ResetByServer: true, Other: false, "5": false, Unknown: false} {
		if got := HTTP1.Failed("GET", status); got != want {
			t.Errorf("status %s failed: %t", status, got)
		}
	}
	if HTTP1.Operation(1) != "GET" || HTTP1.Shown() != HTTP1 || HTTP2.Shown() != HTTP1 || HTTP1.Family.Index() != 0 {
		t.Errorf("%+v", HTTP1)
	}
}

func TestClasses(t *testing.T) {
	all := Classes()
	if len(all) != len(Enumerators("conn_class")) {
		t.Errorf("%d classes of %d", len(all), len(Enumerators("conn_class")))
	}
	for i, c := range all {
		if c.Title == "" || c.Protocol == nil && c.Name != Idle && c.Advice == "" {
			t.Errorf("%+v", c)
		}
		if i > 0 && c.Protocol != nil && all[i-1].Protocol == nil {
			t.Error("those that are read do not come first")
		}
		if ClassNamed(c.Name).enumerator != c.enumerator {
			t.Errorf("%s has two classes", c.Name)
		}
	}
	if c := ClassNamed("new"); c.Name != "new" || c.Title != "new" || c.Protocol != nil {
		t.Errorf("%+v", c)
	}
}
