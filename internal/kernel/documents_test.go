package kernel_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/fathomhq/fathom/internal/config"
	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/requirements"
)

const (
	repository  = "../../"
	threatModel = "docs/threat-model.md"
)

// claim is a sentence of a document, with places for what the code decides.
type claim struct {
	document string
	sentence string // a regular expression, in which a blank is any white space
	want     []any  // what its groups have to be
}

// read returns a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, name))
	if os.IsNotExist(err) {
		t.Skip("the documents are not in the guest")
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// number writes a number as the documents do.
func number(n int) string {
	words := []string{2: "two", 3: "three", 4: "four", 9: "nine", 10: "ten", 11: "eleven"}
	if n < len(words) && words[n] != "" {
		return words[n]
	}
	return digits(n)
}

func digits(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// value returns the constant that a regular expression finds in a source: its group is an expression of constants.
func value(t *testing.T, file, expression string) int {
	t.Helper()
	m := regexp.MustCompile(expression).FindStringSubmatch(read(t, file))
	if m == nil {
		t.Fatalf("%s has no %s", file, expression)
	}
	v, err := types.Eval(token.NewFileSet(), nil, token.NoPos, m[1])
	if err != nil {
		t.Fatalf("%s: %s: %v", file, m[1], err)
	}
	n, exact := constant.Int64Val(v.Value)
	if !exact {
		t.Fatalf("%s: %s is no number", file, m[1])
	}
	return int(n)
}

// defined returns a constant of the BPF programs.
func defined(t *testing.T, file, name string) int {
	t.Helper()
	return value(t, file, `(?m)^#define `+name+` (\w+)`)
}

// flagDefault returns the default of one of the agent's flags.
func flagDefault(t *testing.T, name string) string {
	t.Helper()
	agent := reflect.TypeFor[config.Agent]()
	for f := range agent.Fields() {
		if f.Tag.Get("name") == name {
			return f.Tag.Get("default")
		}
	}
	t.Fatalf("there is no flag --%s", name)
	return ""
}

func object(t *testing.T) *ebpf.CollectionSpec {
	t.Helper()
	o, err := kernel.Options{TLS: true}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	spec, err := kernel.SizedObject(o)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// claims are those of the threat model, and of other documents where they say the same.
func claims(t *testing.T) []claim {
	o, err := kernel.Options{}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	spec := object(t)
	entries := func(name string) string {
		m := spec.Maps[name]
		if m == nil {
			t.Fatalf("no map %s", name)
		}
		return digits(int(m.MaxEntries))
	}
	loaded := func(mode kernel.Mode, major, minor uint32) string {
		n, _ := kernel.TapPrograms(mode, major, minor)
		return digits(n)
	}
	_, places := kernel.TapPrograms(kernel.ModeKprobe, 6, 1)
	functions, tracepoints := kernel.TLSPrograms()
	steps, times := defined(t, "bpf/dispatch/drain.h", "DRAIN_STEPS"), defined(t, "bpf/dispatch/drain.h", "DRAIN_TIMES")
	streams := defined(t, "bpf/types.h", "HTTP2_PLACES")
	runs := defined(t, "bpf/types.h", "BACKLOG")
	peek := defined(t, "bpf/proto/http1.h", "HTTP1_PREFIX")
	head := defined(t, "bpf/proto/http1_head.h", "HEAD_BYTES")
	seconds := func(name string) int {
		return value(t, "internal/web/server.go", name+`\s+= (\d+) \* time\.Second`)
	}
	listen := flagDefault(t, "web.listen-address")
	samples := fmt.Sprintf("%.1f", float64(value(t, "internal/history/history.go", `limitBytes = (.*)`))/(1<<20))
	return []claim{
		{threatModel, "One process with `(\\w+)` and `(\\w+)`, on ", needed(requirements.Situation{})},
		{"README.md", "root, or `(\\w+)` and `(\\w+)`; on", needed(requirements.Situation{})},
		{"README.md", "tested on ([\\d., and]+) \\|", []any{testedOn(t)}},
		{"docs/kernels.md", `(\w+) of the (\w+) taps see data`, []any{"Three", number(kernel.TapCount())}},
		{"docs/kernels.md", `making return probes in tracefs that follow ([\d,]+) calls`, []any{digits(kernel.ReturnsFollowed)}},
		{"CONTRIBUTING.md", `on (\w+) other kernels, emulated`, []any{number(len(guests(t)))}},
		{
			threatModel, `BPF programs into the kernel: (\w+) that the agent calls, .* and those of (\w+) \[taps\]`,
			[]any{called(spec), number(kernel.TapCount())},
		},
		{threatModel, `\| Linux 7\.0 and later \| (\d+) \| tracepoints \|`, []any{loaded(kernel.ModeAuto, 7, 0)}},
		{threatModel, `\| Linux 6\.3 to 6\.x \| (\d+) \| tracepoints \|`, []any{loaded(kernel.ModeAuto, 6, 18)}},
		{
			threatModel, `\| Linux 5\.10 to 6\.2 \| (\d+) \| tracepoints, and functions by trampolines \|`,
			[]any{loaded(kernel.ModeTrampoline, 6, 1)},
		},
		{
			threatModel, `\| Linux 5\.10 to 6\.2 without trampolines \| (\d+) \| tracepoints, and functions by kprobes, at (\d+) places in all \|`,
			[]any{loaded(kernel.ModeKprobe, 6, 1), digits(places)},
		},
		{
			threatModel, "With `--tls`, which is off by default, (\\d+) more: (\\d+) for the functions of TLS libraries and (\\d+) at the tracepoints",
			[]any{functions + tracepoints, functions, tracepoints},
		},
		{threatModel, "over HTTP on `([^`]*)`", []any{listen}},
		{"README.md", "It listens on `([^`]*)`:", []any{listen}},
		{threatModel, `On a new connection (\d+) bytes, and`, []any{peek}},
		{
			threatModel, "in search of its end and of (\\w+) fields: `Content-Length`, `Transfer-Encoding` and, in requests, `Expect`",
			[]any{number(fields(t))},
		},
		{threatModel, `where a message begins, (\d+) bytes at the beginning of each call`, []any{peek}},
		{threatModel, `Of Redis messages, (\d+) bytes at a time`, []any{defined(t, "bpf/bytes/ahead.h", "WINDOW")}},
		{threatModel, `up to (\d+) bytes are copied to one place for each CPU`, []any{head}},
		{threatModel, `at most (\d+) bytes: the first ones of a message`, []any{keptBytes(t)}},
		{threatModel, `pure functions on (\d+) bytes, on words of (\d+) bytes`, []any{peek, 8}},
		{
			threatModel, `have more than (\d+) digits \(of a chunk: do not fit (\d+) bits\)`,
			[]any{
				defined(t, "bpf/proto/http1_framing.h", "FIELD_MAX_DIGITS"),
				4 + value(t, "bpf/proto/http1_framing.h", `s->left >> (\d+) == 0`),
			},
		},
		{
			threatModel, `at most (\d+) buffers are followed, with (\d+) steps in each \(a longer one takes the turns of others\), or ([\d,]+) steps where it has one; a step is a first line, up to (\d+) KiB`,
			[]any{defined(t, "bpf/dispatch/drain.h", "DRAIN_IOVECS"), steps, digits(steps * times), defined(t, "bpf/dispatch/quick.h", "QUICK_PARTS") * head >> 10},
		},
		{"docs/how-it-works.md", "more messages than are followed: ([\\d,]+) steps, or where it has several buffers (\\d+) times (\\d+),", []any{digits(steps * times), defined(t, "bpf/dispatch/drain.h", "DRAIN_IOVECS"), steps}},
		{threatModel, `its process name \((\d+) bytes\)`, []any{defined(t, "bpf/types.h", "COMM_LEN") - 1}},
		{threatModel, "or else up to (\\d+) KiB of `/proc/<pid>/cmdline`", []any{value(t, "internal/workload/executable.go", `maxArgument = (.*)`) >> 10}},
		{threatModel, `use up the workload's (\d+) peers`, []any{o.MaxPeersPerWorkload}},
		{threatModel, `\| HTTP series \| (\d+) of ([\d,]+) \|`, []any{flagDefault(t, "max-series-per-workload"), entries("series_index")}},
		{threatModel, `\| peers \| (\d+) of ([\d,]+) \|`, []any{flagDefault(t, "max-peers-per-workload"), entries("edge_index")}},
		{
			threatModel, `freed early when the table is (\w+) quarters full`,
			[]any{number(value(t, "internal/metrics/owners.go", `t\.Used > t\.Limit/4\*(\d)`))},
		},
		{threatModel, `by holding ([\d,]+) connections or listeners open`, []any{entries("conn_index")}},
		{threatModel, `\| listeners \| none \| Yes: ([\d,]+)\. \|`, []any{entries("listeners")}},
		{
			threatModel, `connections with more than (\d+) requests open at a time \| none \| Yes: ([\d,]+)\. `,
			[]any{defined(t, "bpf/types.h", "EXCHANGES"), entries("pipeline_free")},
		},
		{
			threatModel, `\| times of bytes that wait unread \| (\d+) by one connection, beyond (\d) \| Yes: of ([\d,]+) times (\d+)\. `,
			[]any{runs * (defined(t, "bpf/types.h", "BACKLOG_PAGES") - 1), defined(t, "bpf/types.h", "STAMPS") - 1, entries("backlog_free"), runs},
		},
		{
			"docs/how-it-works.md", `room for the times of (\w+) such runs of bytes\. One of which more is unread takes room for up to (\d+) more, in pages of (\d+) of which all connections share ([\d,]+),`,
			[]any{number(defined(t, "bpf/types.h", "STAMPS") - 1), runs * (defined(t, "bpf/types.h", "BACKLOG_PAGES") - 1), runs, entries("backlog_free")},
		},
		{threatModel, `\| connections with HTTP/2 \| none \| Yes: ([\d,]+)\. `, []any{entries("http2_free")}},
		{
			threatModel, `\| open streams of HTTP/2, beyond (\d+) per connection \| ([\d,]+) by one connection \| Yes: of (\d+) times (\d+)\. `,
			[]any{streams, digits(streams * defined(t, "bpf/types.h", "HTTP2_PAGES")), entries("http2_streams_free"), streams},
		},
		{"docs/how-it-works.md", `64 at a time and up to ([\d,]+) in all`, []any{digits(streams * (1 + defined(t, "bpf/types.h", "HTTP2_PAGES")))}},
		{"docs/how-it-works.md", `which method or status it is: (\d+) numbers`, []any{defined(t, "bpf/proto/http2_hpack.h", "HTTP2_ENTRIES")}},
		{threatModel, `Of HTTP/2, (\d+) bytes at a time`, []any{defined(t, "bpf/bytes/ahead.h", "WINDOW")}},
		{threatModel, `of HTTP/2 up to (\d+) headers of frames, fields or strings`, []any{defined(t, "bpf/http2/step.h", "HTTP2_LOOKS")}},
		{threatModel, "in search of (\\w+): `:method`, `:status`, `content-type` and `grpc-status`", []any{number(sought(t))}},
		{
			threatModel, `the last (\d+) bytes that were looked at, for as long as a call is looked at, up to (\d+) bytes of the header of a frame, and up to (\d+) of the name or value of a field`,
			[]any{
				defined(t, "bpf/bytes/ahead.h", "WINDOW"), defined(t, "bpf/http2/step.h", "HTTP2_FRAME_HEAD"),
				value(t, "bpf/proto/http2_hpack.h", `s->text.want = look \? \(length < (\d+) \?`),
			},
		},
		{threatModel, `of up to (\d+) entries, which of these fields`, []any{defined(t, "bpf/proto/http2_hpack.h", "HTTP2_ENTRIES")}},
		{
			threatModel, `\| waits of requests of other protocols than HTTP/1 \| none \| Yes: of ([\d,]+) pairs`,
			[]any{entries("queue_others")},
		},
		{threatModel, `\| classes and reasons of connections \| none \| Yes: ([\d,]+)\. \|`, []any{entries("coverage")}},
		{threatModel, `(\w+) cases keep more: `, []any{keptCases(t)}},
		{threatModel, `calls of TLS libraries \| none \| Yes: ([\d,]+)\. \|`, []any{entries("tls_calls")}},
		{threatModel, `\| sessions \| none \| Yes: of ([\d,]+) those go`, []any{entries("tls_sessions")}},
		{threatModel, `\| handshakes under way \| none \| Yes: of ([\d,]+) likewise`, []any{entries("tls_hellos")}},
		{threatModel, `\| processes that speak TLS \| none \| Yes: ([\d,]+)\. \|`, []any{entries("tls_processes")}},
		{
			threatModel, `\| libraries that are probed \| none \| Yes: those of ([\d,]+) files`,
			[]any{digits(value(t, "internal/tlswatch/attachments.go", `const maxAttachments = (\d+)`))},
		},
		{
			threatModel, `given up after 1 or (\d+) s, and at most (\d+) such calls may hang`,
			[]any{value(t, "internal/tlswatch/guard.go", `explainPatience = (\d+) \* time\.Second`), value(t, "internal/tlswatch/guard.go", `const maxStuck = (\d+)`)},
		},
		{
			threatModel, "answers `GET` \\(and `HEAD`\\) on `([^`]*)`, `([^`]*)`, `([^`]*)`, `([^`]*)`, and below `([^`]*)` and `([^`]*)v1/`",
			endpoints(t),
		},
		{
			threatModel, `a history of at most (\d+) minutes and ([\d.]+) MiB; headers are limited to (\d+) KiB, reading to (\d+) s, writing to (\d+) s`,
			[]any{
				value(t, "internal/history/history.go", `Span\s+= (\d+) \* time\.Minute`), samples, value(t, "internal/web/server.go", `maxHeaderBytes\s+= (.*)`) >> 10,
				seconds("readTimeout"), seconds("writeTimeout"),
			},
		},
		{"docs/api.md", `\| ([\d.]+) MiB of samples \|`, []any{samples}},
		{
			threatModel, "what `/metrics` has shown in the last (\\d+) minutes",
			[]any{value(t, "internal/history/history.go", `Span\s+= (\d+) \* time\.Minute`)},
		},
		{
			"README.md", `The agent keeps the last (\d+) minutes`,
			[]any{value(t, "internal/history/history.go", `Span\s+= (\d+) \* time\.Minute`)},
		},
		{
			threatModel, `more than (\d+) bytes are cut and given a checksum`,
			[]any{value(t, "internal/workload/labels.go", `const maxName = (\d+)`)},
		},
		{
			threatModel, `late by more than (\w+) intervals and a second`,
			[]any{number(value(t, "internal/agent/sweep.go", `return (\d+)\*s\.interval \+ time\.Second`))},
		},
		{threatModel, `at most (\d+) per direction\) stay in the kernel's map`, []any{keptBytes(t)}},
		{threatModel, `up to (\d+) bytes of the last head on each CPU`, []any{head}},
		{threatModel, "before Linux 5\\.19 `(\\w+)` stays", []any{keptOnly(t, requirements.Situation{Release: requirements.Linux(5, 18)})}},
		{
			threatModel, "in attach mode `kprobe` as another user than root `(\\w+)`, if you gave it that",
			[]any{keptOnly(t, requirements.Situation{Release: requirements.Linux(6, 1), Uses: requirements.ReturnProbes})},
		},
		{
			threatModel, "since it looks into each process that begins: `(\\w+)`, `(\\w+)` and `(\\w+)`\\. Whoever",
			keptSorted(requirements.Situation{TLS: true}, "CAP_SYS_PTRACE"),
		},
		{threatModel, "Before Linux 6\\.6 it keeps `(\\w+)` besides", []any{keptBesides(t)}},
		{
			threatModel, `of its sessions, (\d+) of the 32 random bytes`,
			[]any{8 * value(t, "bpf/types.h", `struct tls_random \{\s+u64 bytes\[(\d+)\];`)},
		},
		{
			threatModel, `Each times one in about a (\w+) of its runs`,
			[]any{about(value(t, "bpf/base/counters.h", `return any \* 0x\w+ULL >> (\d+) == 0`))},
		},
	}
}

// sought is how many headers of HTTP/2 are told apart.
func sought(t *testing.T) int {
	t.Helper()
	list := regexp.MustCompile(`(?s)#define HTTP2_NAMES\(X\).*?#define`).FindString(read(t, "bpf/proto/http2_codes.h"))
	return strings.Count(list, "\tX(")
}

// needed are the capabilities that a situation takes.
func needed(s requirements.Situation) (names []any) {
	for _, c := range requirements.Needed(s) {
		names = append(names, c.Name)
	}
	return names
}

// guests are the names of the kernels that tests run on.
func guests(t *testing.T) (names []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^\t\{name: "([^"]*)"`).FindAllStringSubmatch(read(t, "test/guests/matrix.go"), -1) {
		names = append(names, m[1])
	}
	return names
}

// testedOn lists their versions.
func testedOn(t *testing.T) string {
	t.Helper()
	var versions []string
	for _, name := range guests(t) {
		if _, err := strconv.ParseFloat(name, 64); err == nil {
			versions = append(versions, name)
		}
	}
	last := len(versions) - 1
	return strings.Join(versions[:last], ", ") + " and " + versions[last]
}

// about says how many of 64 bits' values there are for each that a shift makes 0.
func about(shift int) string {
	if shift == 54 {
		return "thousand"
	}
	return fmt.Sprintf("2^%d", 64-shift)
}

// called names the programs that are attached to nothing.
func called(spec *ebpf.CollectionSpec) string {
	n := 0
	for name := range spec.Programs {
		if strings.HasPrefix(name, "fathom_") {
			n++
		}
	}
	return number(n)
}

// fields is how many fields of a head are told from others.
func fields(t *testing.T) int {
	t.Helper()
	return len(regexp.MustCompile(`(?m)^#define FIELD_\w+ 0x[48c]0 /\* "`).FindAllString(read(t, "bpf/proto/http1_framing.h"), -1))
}

// keptBytes is how many bytes of what was sent are kept for a direction of a connection.
func keptBytes(t *testing.T) int {
	t.Helper()
	http1 := 8 * value(t, "bpf/proto/http1_framing.h", `u64 word\[(\d+)\]; /\* the first 16 bytes`)
	if redis := 8 * value(t, "bpf/proto/redis.h", `u64 head\[(\d+)\]; /\* the first`); redis != http1 {
		t.Errorf("Redis keeps %d bytes for a direction, HTTP/1 %d", redis, http1)
	}
	return http1
}

// keptOnly is the one capability that is kept in a situation.
func keptOnly(t *testing.T, s requirements.Situation) string {
	t.Helper()
	kept := requirements.Kept(s)
	if len(kept) != 1 {
		t.Fatalf("%+v: %d capabilities are kept", s, len(kept))
	}
	return kept[0].Name
}

// keptCases is in how many cases capabilities stay: one for each that is kept without TLS, TLS, and failures.
func keptCases(t *testing.T) string {
	t.Helper()
	n := 2
	for _, c := range requirements.Capabilities() {
		if c.Kept != "" {
			n++
			if !strings.Contains(read(t, threatModel), "`"+c.Name+"`") {
				t.Errorf("%s does not say that %s may be kept", threatModel, c.Name)
			}
		}
	}
	return map[int]string{5: "Five", 6: "Six", 7: "Seven"}[n]
}

// keptSorted are those that are kept in a situation, FIRST in front.
func keptSorted(s requirements.Situation, first string) (names []any) {
	for _, c := range requirements.Kept(s) {
		if c.Name == first {
			names = slices.Insert(names, 0, any(c.Name))
		} else {
			names = append(names, c.Name)
		}
	}
	return names
}

// keptBesides is what reading TLS keeps where probes are perf events only.
func keptBesides(t *testing.T) string {
	t.Helper()
	links := requirements.Kept(requirements.Situation{TLS: true})
	for _, c := range requirements.Kept(requirements.Situation{TLS: true, Uses: requirements.PerfUprobes}) {
		if !slices.ContainsFunc(links, func(other requirements.Capability) bool { return other.Name == c.Name }) {
			return c.Name
		}
	}
	t.Fatal("nothing more is kept")
	return ""
}

// endpoints are what the agent's server answers.
func endpoints(t *testing.T) (all []any) {
	t.Helper()
	found := make(map[string]bool)
	for _, file := range []string{"internal/page/page.go", "internal/web/handler.go"} {
		for _, m := range regexp.MustCompile(`mux\.Handle(?:Func)?\("GET (/[^"]*)"`).FindAllStringSubmatch(read(t, file), -1) {
			found[strings.TrimSuffix(m[1], "{$}")] = true
		}
	}
	order := []string{"/", "/metrics", "/healthz", "/readyz", "/assets/", "/api/"}
	for _, path := range order {
		if !found[path] {
			t.Errorf("the server does not answer %s", path)
		}
		all = append(all, path)
	}
	if len(found) != len(order) {
		t.Errorf("the server answers %v", found)
	}
	return all
}

// blanks makes each run of white space one blank.
func blanks(s string) string { return strings.Join(strings.Fields(s), " ") }

// notOfCode are numbers of the threat model that no code decides, or other tests compare with it.
var notOfCode = regexp.MustCompile("`[^`]*`|\\]\\([^)]*\\)|Linux \\d+\\.\\d+|clang 19|(?:x86-|arm)64|32-bit|CAP_\\w+|HTTP/[12]|U\\+FFFD|UTF-8|" +
	"[Oo]ne after the other")

// What the documents say about Fathom is what the code does: a change of the code that makes a sentence false fails here.
func TestDocuments(t *testing.T) {
	texts := make(map[string]string)
	for _, c := range claims(t) {
		text, ok := texts[c.document]
		if !ok {
			text = blanks(read(t, c.document))
		}
		texts[c.document] = text
		found := regexp.MustCompile(c.sentence).FindAllStringSubmatch(text, -1)
		if len(found) != 1 {
			t.Errorf("%s says %d times, and should once: %s", c.document, len(found), c.sentence)
			continue
		}
		var want []string
		for _, w := range c.want {
			want = append(want, fmt.Sprint(w))
		}
		if !slices.Equal(found[0][1:], want) {
			t.Errorf("%s is false: %q: it says %q, the code %q", c.document, found[0][0], found[0][1:], want)
		}
	}
}

// Every number of the threat model is compared with the code, so that a new sentence with a number gets its claim.
func TestEveryNumberIsClaimed(t *testing.T) {
	text := blanks(read(t, threatModel))
	for _, c := range claims(t) {
		if c.document == threatModel {
			text = regexp.MustCompile(c.sentence).ReplaceAllString(text, " ")
		}
	}
	text = notOfCode.ReplaceAllString(text, " ")
	numbers := regexp.MustCompile(`\b(?:\d[\d,.]*|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b`)
	for _, at := range numbers.FindAllStringIndex(text, -1) {
		t.Errorf("%s: nothing compares %q with the code: ...%s...", threatModel, text[at[0]:at[1]], text[max(at[0]-60, 0):min(at[1]+60, len(text))])
	}
}

// The threat model says of each mode what it reads, in a section of its own, which names what it keeps.
func TestModesHaveSections(t *testing.T) {
	text := read(t, threatModel)
	for _, heading := range []string{"### Without `--tls`, the default", "### With `--tls`", "### In both modes"} {
		if strings.Count(text, "\n"+heading+"\n") != 1 {
			t.Errorf("%s has no section %q", threatModel, heading)
		}
	}
	if tls, ok := reflect.TypeFor[config.Agent]().FieldByName("TLS"); !ok || tls.Tag.Get("default") != "" {
		t.Error("--tls is not off by default")
	}
}

// Programs observe only: the helpers that they call are those that stand here, none of which writes to anything but maps and the stack.
func TestHelpersOnlyRead(t *testing.T) {
	harmless := map[asm.BuiltinFunc]bool{
		asm.FnGetAttachCookie: true, asm.FnGetCurrentCgroupId: true, asm.FnGetCurrentPidTgid: true, asm.FnGetCurrentTask: true,
		asm.FnGetCurrentTaskBtf: true, asm.FnKtimeGetNs: true, asm.FnMapDeleteElem: true, asm.FnMapLookupElem: true, asm.FnMapPopElem: true,
		asm.FnMapPushElem: true, asm.FnMapUpdateElem: true, asm.FnProbeReadKernel: true, asm.FnProbeReadKernelStr: true, asm.FnProbeReadUser: true,
		asm.FnRingbufReserve: true, asm.FnRingbufSubmit: true, asm.FnTailCall: true, asm.FnTaskPtRegs: true,
	}
	for _, file := range []string{"bpf_x86_bpfel.o", "bpf_arm64_bpfel.o"} {
		spec, err := ebpf.LoadCollectionSpec(file)
		if errors.Is(err, fs.ErrNotExist) {
			t.Skip("the documents are not in the guest")
		}
		if err != nil {
			t.Fatal(err)
		}
		calls := 0
		for name, p := range spec.Programs {
			for _, ins := range p.Instructions {
				switch {
				case ins.IsKfuncCall() && ins.Reference() != "bpf_rdonly_cast":
					t.Errorf("%s: %s calls the kernel's function %s: %s says that programs observe only", file, name, ins.Reference(), threatModel)
				case ins.IsBuiltinCall():
					calls++
					if f := asm.BuiltinFunc(ins.Constant); !harmless[f] {
						t.Errorf("%s: %s calls %s: %s says that programs observe only", file, name, f, threatModel)
					}
				}
			}
			if p.Flags != 0 {
				t.Errorf("%s: %s has the flags %#x: %s says that programs cannot sleep", file, name, p.Flags, threatModel)
			}
			switch p.Type {
			case ebpf.RawTracepoint, ebpf.TracePoint, ebpf.Kprobe:
			case ebpf.Tracing:
				if p.AttachType != ebpf.AttachTraceFEntry && p.AttachType != ebpf.AttachTraceFExit {
					t.Errorf("%s: %s is attached as %s, which may change what it is attached to", file, name, p.AttachType)
				}
			default:
				t.Errorf("%s: %s is a program of type %s: %s says that there are none at XDP, TC, sockets, netfilter or LSM", file, name, p.Type, threatModel)
			}
		}
		if calls == 0 {
			t.Errorf("%s: no calls of helpers were found", file)
		}
	}
}

// rows are the maps that grow with what they hold, or would, by the row of the threat model that has their limit. What stands beside
// another map has as many elements, or one.
var rows = map[string][]string{
	"HTTP series": {"series", "series_index", "series_free"},
	"peers":       {"edges", "edge_index", "edge_free"},
	"workloads":   {"workloads", "workload_index", "workload_free", "censuses", "queue_series"},
	"connections": {"conns", "conn_index", "conn_free", "conn_hints"},
	"listeners":   {"listeners"},
	"connections with more than 8 requests open at a time": {"pipelines", "pipeline_free"},
	"times of bytes that wait unread":                      {"backlogs", "backlog_free"},
	"connections with HTTP/2":                              {"http2_conns", "http2_free"},
	"open streams of HTTP/2, beyond 64 per connection":     {"http2_streams", "http2_streams_free"},
	"waits of requests of other protocols than HTTP/1":     {"queue_others"},
	"classes and reasons of connections":                   {"coverage"},
	"threads and goroutines in calls of TLS libraries":     {"tls_calls"},
	"sessions":                  {"tls_sessions"},
	"handshakes under way":      {"tls_hellos", "tls_shaking"},
	"processes that speak TLS":  {"tls_processes"},
	"libraries that are probed": {"tls_libraries"},
	"": { // nobody's: calls under way, questions to user space
		"pending_calls", "tls_asked",
	},
}

// Every map with more than one element stands in a row of the threat model.
func TestMapsHaveRows(t *testing.T) {
	text := read(t, threatModel)
	known := make(map[string]bool)
	for row, names := range rows {
		if row != "" && strings.Count(text, "\n| "+row+" | ") != 1 {
			t.Errorf("%s has no row %q", threatModel, row)
		}
		for _, name := range names {
			known[name] = true
		}
	}
	for name, m := range object(t).Maps {
		if m.MaxEntries > 1 && !known[name] {
			t.Errorf("the map %s has %d elements: %s has no row for it", name, m.MaxEntries, threatModel)
		}
	}
}

// The links between documents lead somewhere.
func TestLinks(t *testing.T) {
	read(t, threatModel)
	documents, err := filepath.Glob(filepath.Join(repository, "docs/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README.md", "CONTRIBUTING.md", "SECURITY.md"} {
		documents = append(documents, filepath.Join(repository, name))
	}
	target := regexp.MustCompile(`\]\(([^)#: ]*)(?:#([^) ]*))?\)`)
	for _, document := range documents {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range target.FindAllStringSubmatch(string(text), -1) {
			to := document
			if m[1] != "" {
				to = filepath.Join(filepath.Dir(document), m[1])
			}
			other, err := os.ReadFile(to)
			if err != nil && m[2] != "" || m[2] == "" && !exists(to) {
				t.Errorf("%s: %s leads nowhere", document, m[0])
				continue
			}
			if m[2] != "" && !slices.Contains(anchors(string(other)), m[2]) {
				t.Errorf("%s: %s has no section %s", document, to, m[2])
			}
		}
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// anchors are the names that GitHub gives the headings of a document.
func anchors(text string) (names []string) {
	link, other := regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`), regexp.MustCompile(`[^a-z0-9 _-]`)
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		heading := link.ReplaceAllString(strings.ToLower(m[1]), "$1")
		names = append(names, strings.ReplaceAll(other.ReplaceAllString(heading, ""), " ", "-"))
	}
	return names
}

// No map is left behind, and none hands bytes to user space but the one that the threat model names.
func TestMapsStay(t *testing.T) {
	for name, m := range object(t).Maps {
		if m.Pinning != ebpf.PinNone {
			t.Errorf("the map %s is pinned: %s says that programs and maps are not", name, threatModel)
		}
		switch m.Type {
		case ebpf.Array, ebpf.PerCPUArray, ebpf.Hash, ebpf.LRUHash, ebpf.Queue:
		case ebpf.ProgramArray: // holds nothing
			if name != "nothing" {
				t.Errorf("the map %s holds programs", name)
			}
		case ebpf.RingBuf:
			if name != "tls_asked" {
				t.Errorf("the map %s sends user space what %s does not know of", name, threatModel)
			}
		default:
			t.Errorf("the map %s is a %s: %s does not know of such", name, m.Type, threatModel)
		}
	}
}

// pathsIn is what names a path in the threat model, where that is not the path itself.
var pathsIn = map[string]string{
	"/proc": "`/proc/<pid>/comm`", "/proc/1/comm": "`/proc/<pid>/comm`", "self/mountinfo": "`/proc/self/mountinfo`", "comm": "`/proc/<pid>/comm`",
	"/sys/kernel/debug/tracing": "return probes", "/boot/config-": "`/boot/config-VERSION`", "boot/config-": "`/boot/config-VERSION`",
	"/proc/sys/kernel/perf_event_paranoid": "`kernel.perf_event_paranoid`", "/kprobe_events": "return probes", "maps": "`/proc/PID/maps`",
	"/proc/self/fd/": "`exe`, `root`, `map_files`",
}

// Every file of the host that the agent's code names stands in the threat model.
func TestPathsAreNamed(t *testing.T) {
	text := read(t, threatModel)
	path := regexp.MustCompile(`^/?(proc|sys|boot|dev|etc|run)(/|$)`)
	seen := 0
	for _, dir := range []string{
		"agent", "doctor", "history", "hostfile", "kernel", "metrics", "page", "peer", "preemption", "privileges", "tlslib", "tlswatch", "web",
		"workload",
	} {
		files, err := filepath.Glob(filepath.Join(repository, "internal", dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files of %s: %v", dir, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, literal := range literals(t, file) {
				if !path.MatchString(literal) || !fs.ValidPath(strings.Trim(literal, "/")) {
					continue
				}
				seen++
				want, ok := pathsIn[literal]
				if !ok {
					want = "`/" + strings.TrimPrefix(literal, "/") + "`"
				}
				if !strings.Contains(text, want) {
					t.Errorf("%s names %q: %s does not (%s)", file, literal, threatModel, want)
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d paths were found", seen)
	}
}

// literals are the strings of a source.
func literals(t *testing.T, file string) (all []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if s, err := strconv.Unquote(l.Value); err == nil {
				all = append(all, s)
			}
		}
		return true
	})
	return all
}

// The flags and metrics that documents name exist.
func TestNamesExist(t *testing.T) {
	known := make(map[string]bool)
	sources, err := filepath.Glob(filepath.Join(repository, "cmd/fathom/*.go"))
	if err != nil {
		t.Fatal(err)
	}
	settings, err := filepath.Glob(filepath.Join(repository, "internal/*/*.go"))
	if err != nil {
		t.Fatal(err)
	}
	name, field := regexp.MustCompile(`name:"([^"]+)"`), regexp.MustCompile("(?m)^\\t(\\w+) +\\S+ +`[^`]*help:")
	for _, file := range append(sources, settings...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range name.FindAllSubmatch(text, -1) {
			known[string(m[1])] = true
		}
		for _, m := range field.FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(m[0], `name:"`) {
				known[strings.ToLower(m[1])] = true
			}
		}
	}
	metrics := read(t, "docs/metrics.md")
	flag := regexp.MustCompile("[ `(]--([a-z][a-z.-]*)")
	metric := regexp.MustCompile(`\bfathom_[a-z_]+`)
	for _, document := range []string{threatModel, "README.md", "SECURITY.md", "docs/kernels.md"} {
		text := read(t, document)
		for _, m := range flag.FindAllStringSubmatch(text, -1) {
			if flag := m[1]; !known[flag] && !otherPrograms[flag] {
				t.Errorf("%s: there is no flag --%s", document, flag)
			}
		}
		for _, m := range metric.FindAllString(text, -1) {
			if !strings.Contains(metrics, m) {
				t.Errorf("%s: there is no metric %s", document, m)
			}
		}
	}
}

// otherPrograms have these flags, as setpriv does.
var otherPrograms = map[string]bool{"reuid": true, "regid": true, "clear-groups": true, "inh-caps": true, "ambient-caps": true}
