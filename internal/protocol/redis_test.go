package protocol

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the parser knows of its commands and errors by the header's lists, the entry says too.
func TestRedisIsTheHeaders(t *testing.T) {
	header, err := os.ReadFile("../../bpf/proto/redis_names.h")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{"REDIS_OTHER": OtherOperation}
	flagged := map[string][]string{}
	for _, m := range regexp.MustCompile(`X\((\w+), "([^"]+)", (\w+)\)`).FindAllStringSubmatch(string(header), -1) {
		names["REDIS_"+m[1]] = m[2]
		flagged[m[3]] = append(flagged[m[3]], m[2])
	}
	if len(names) < 100 || len(names) != len(Enumerators("redis_command")) {
		t.Errorf("%d commands in the header, %d in the object", len(names), len(Enumerators("redis_command")))
	}
	for i, e := range Enumerators("redis_command") {
		if got := Redis.Operation(uint8(i)); got != names[e] {
			t.Errorf("%s is %q, in the header %q", e, got, names[e])
		}
	}
	for flag, list := range map[string][]string{"REDIS_WAITS": Redis.Waits, "REDIS_HOUSEKEEPING": Redis.Housekeeping} {
		if want := slices.Sorted(slices.Values(flagged[flag])); !slices.Equal(slices.Sorted(slices.Values(list)), want) {
			t.Errorf("%s in the header: %q", flag, want)
		}
	}
	for i, e := range Enumerators("redis_status") {
		word, isError := strings.CutPrefix(e, "REDIS_ERROR_")
		want := word
		switch {
		case !isError:
			want = "ok"
		case word == "OTHER":
			want = Other
		}
		if got := Redis.Status(uint16(i)); got != want {
			t.Errorf("%s is %q", e, got)
		}
	}
}

func TestRedisFailures(t *testing.T) {
	for _, test := range []struct {
		operation, status string
		failed            bool
	}{
		{"GET", "ok", false},
		{"GET", "WRONGTYPE", true},
		{"GET", Other, true},
		{"GET", Aborted, true},
		{"GET", "MOVED", false},
		{"EVALSHA", "NOSCRIPT", false},
		{"CLIENT", "ERR", false}, // of a library newer than the server
		{"HELLO", Aborted, false},
	} {
		if got := Redis.Failed(test.operation, test.status); got != test.failed {
			t.Errorf("%s %s failed: %t", test.operation, test.status, got)
		}
	}
	if !Redis.IsWait("BLPOP") || Redis.IsWait("LPOP") {
		t.Error("BLPOP waits, LPOP does not")
	}
}
