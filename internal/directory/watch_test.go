package directory

import (
	"errors"
	"net/netip"
	"testing"
)

func TestWatchCoalesces(t *testing.T) {
	x := NewIndex(0)
	w := x.Watch(10)
	a := netip.MustParseAddrPort("10.0.0.1:0")
	if err := w.Add([]netip.AddrPort{a}); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		x.SetPod(testPod("1", "a", "10.0.0.1"))
		x.SetPod(testPod("2", "b", "10.0.0.1"))
		x.DeletePod("2")
	}
	if got := takeOne(t, w, a); got != ofPod("a", "") {
		t.Errorf("told %+v", got)
	}
	if answers := w.Take(10); len(answers) > 0 {
		t.Errorf("told again: %+v", answers)
	}
}

func TestWatchTakesInParts(t *testing.T) {
	x := NewIndex(0)
	w := x.Watch(100)
	var all []netip.AddrPort
	for i := range byte(25) {
		all = append(all, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, i}), 80))
	}
	if err := w.Add(all); err != nil {
		t.Fatal(err)
	}
	told := make(map[netip.AddrPort]int)
	for {
		select {
		case <-w.Wake():
		default:
			if len(told) != len(all) {
				t.Errorf("woken for %d of %d", len(told), len(all))
			}
			return
		}
		answers := w.Take(10)
		if len(answers) > 10 {
			t.Errorf("%d answers", len(answers))
		}
		for _, a := range answers {
			if told[a.Address]++; told[a.Address] > 1 {
				t.Errorf("%s told twice", a.Address)
			}
		}
	}
}

func TestWatchLimit(t *testing.T) {
	x := NewIndex(0)
	w := x.Watch(2)
	a, b, c := netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("10.0.0.1:2"), netip.MustParseAddrPort("10.0.0.1:3")
	if err := w.Add([]netip.AddrPort{a, b, a}); err != nil {
		t.Fatal(err)
	}
	if err := w.Add([]netip.AddrPort{c}); !errors.Is(err, ErrTooMany) {
		t.Errorf("got %v", err)
	}
	w.Remove([]netip.AddrPort{a, c})
	if err := w.Add([]netip.AddrPort{c}); err != nil || w.Len() != 2 {
		t.Errorf("got %v, %d followed", err, w.Len())
	}
	other := x.Watch(2)
	if err := other.Add([]netip.AddrPort{b}); err != nil {
		t.Fatal(err)
	}
	w.Close()
	x.SetPod(testPod("1", "web", "10.0.0.1"))
	if got := takeOne(t, other, b); got != ofPod("web", "") {
		t.Errorf("told %+v", got)
	}
	if answers := w.Take(10); len(answers) > 0 {
		t.Errorf("a closed watch is told %+v", answers)
	}
	other.Close()
	x.DeletePod("1")
	mustBeEmpty(t, x)
}
