package main

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
)

// A real browser's head of a page has some 620 to 800 bytes.
func TestBrowserRequest(t *testing.T) {
	text := browserRequest("127.0.0.1:40000")
	if len(text) < 620 || len(text) > 800 {
		t.Errorf("the head has %d bytes", len(text))
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(r.Header), len(browserHeaders()); got != want {
		t.Errorf("%d headers, want %d", got, want)
	}
}

func TestParts(t *testing.T) {
	seen := make(map[string]bool)
	for _, name := range phaseNames {
		if seen[name] || name == allTraffic {
			t.Errorf("%s is the name of two parts", name)
		}
		seen[name] = true
	}
	var o options
	if err := o.pick("traffic,scrape"); err != nil {
		t.Fatal(err)
	}
	for _, name := range phaseNames {
		want := name != "https" && name != "https-node" && name != "programs" && name != "cpu" && name != "memory"
		if o.only[name] != want {
			t.Errorf("%s: %v, want %v", name, o.only[name], want)
		}
	}
	if err := o.pick("throughput,nonsense"); err == nil {
		t.Error("a part that there is not was accepted")
	}
}

func TestParseObject(t *testing.T) {
	taken := []object{{name: "before"}}
	for s, ok := range map[string]bool{
		"after=a.o": true, "ea08584=b=c.o": true, "after": false, "after=": false, "=a.o": false,
		"before=a.o": false, "none=a.o": false, "empty=a.o": false, "fathom=a.o": false, "*=a.o": false, "a b=a.o": false,
	} {
		if name, path, err := parseObject(s, taken); (err == nil) != ok || ok && name+"="+path != s {
			t.Errorf("%q: %q, %q, %v", s, name, path, err)
		}
	}
}
