package config

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/fathomhq/fathom/internal/kernel"
)

// parse reads a command line as the program does. A file, if not empty, is given as
// --config; its name in errors is fathom.yaml.
func parse(t *testing.T, file string, env map[string]string, args ...string) (Agent, error) {
	t.Helper()
	for key, value := range env {
		t.Setenv(key, value)
	}
	if file != "" {
		t.Chdir(t.TempDir())
		if err := os.WriteFile("fathom.yaml", []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config=fathom.yaml")
	}
	var cli struct {
		Agent Agent `cmd:""`
	}
	parser, err := kong.New(&cli, append(Options(), kong.Writers(io.Discard, io.Discard))...)
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(append([]string{"agent"}, args...))
	return cli.Agent, err
}

func TestDefaults(t *testing.T) {
	got, err := parse(t, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Listen, []string{"127.0.0.1:10777"}) {
		t.Errorf("Listen = %q", got.Listen)
	}
	if got.MaxConnections != 32768 || got.SettleAfter != 5*time.Second || got.LogLevel != slog.LevelInfo || got.LogFormat != LogText {
		t.Errorf("defaults = %+v", got)
	}
	if !slices.Equal(got.Buckets, kernel.DefaultBuckets()) {
		t.Errorf("Buckets = %v", got.Buckets)
	}
}

// Every setting is accepted from every source, and the higher source wins.
func TestSources(t *testing.T) {
	settings := []struct {
		flag              string
		file, env, arg    string // values, each different
		fromFile, fromEnv any
		fromArg           any
		get               func(Agent) any
	}{
		{
			"web.listen-address", "[\"127.0.0.1:1\", \"[::1]:1\"]", "127.0.0.1:2", "127.0.0.1:3,127.0.0.1:4",
			"[127.0.0.1:1 [::1]:1]", "[127.0.0.1:2]", "[127.0.0.1:3 127.0.0.1:4]",
			func(a Agent) any { return "[" + strings.Join(a.Listen, " ") + "]" },
		},
		{"log.level", "warn", "error", "debug", slog.LevelWarn, slog.LevelError, slog.LevelDebug, func(a Agent) any { return a.LogLevel }},
		{"log.format", "json", "text", "json", LogJSON, LogText, LogJSON, func(a Agent) any { return a.LogFormat }},
		{"attach-mode", "tracepoint", "trampoline", "kprobe", kernel.ModeTracepoint, kernel.ModeTrampoline, kernel.ModeKprobe, func(a Agent) any { return a.AttachMode }},
		{"settle-after", "7s", "8s", "9s", 7 * time.Second, 8 * time.Second, 9 * time.Second, func(a Agent) any { return a.SettleAfter }},
		{"sweep-interval", "700ms", "800ms", "900ms", 700 * time.Millisecond, 800 * time.Millisecond, 900 * time.Millisecond, func(a Agent) any { return a.SweepInterval }},
		{"grace-period", "7m", "8m", "9m", 7 * time.Minute, 8 * time.Minute, 9 * time.Minute, func(a Agent) any { return a.GracePeriod }},
		{"buckets", "[0.1, 200ms]", "0.3,400ms", "0.5", 200 * time.Millisecond, 400 * time.Millisecond, 500 * time.Millisecond, func(a Agent) any { return a.Buckets[len(a.Buckets)-1] }},
		{"max-connections", "101", "102", "103", 101, 102, 103, func(a Agent) any { return a.MaxConnections }},
		{"max-workloads", "101", "102", "103", 101, 102, 103, func(a Agent) any { return a.MaxWorkloads }},
		{"max-series", "101", "102", "103", 101, 102, 103, func(a Agent) any { return a.MaxSeries }},
		{"max-series-per-workload", "101", "102", "103", 101, 102, 103, func(a Agent) any { return a.MaxSeriesPerWorkload }},
		{"max-peers", "101", "102", "103", 101, 102, 103, func(a Agent) any { return a.MaxPeers }},
		{"max-peers-per-workload", "101", "102", "103", 101, 102, 103, func(a Agent) any { return a.MaxPeersPerWorkload }},
		{"max-http2-connections", "101", "102", "103", 101, 102, 103, func(a Agent) any { return a.MaxHTTP2Connections }},
		{"max-streams", "101", "102", "103", 101, 102, 103, func(a Agent) any { return a.MaxStreams }},
		{"kubeconfig", "a", "b", "c", "a", "b", "c", func(a Agent) any { return a.Kubeconfig }},
		{"node-name", "a", "b", "c", "a", "b", "c", func(a Agent) any { return a.NodeName }},
		{"tls", "true", "false", "true", true, false, true, func(a Agent) any { return a.TLS }},
		{"pod-uid", "a", "b", "c", "a", "b", "c", func(a Agent) any { return a.PodUID }},
		{"cgroup-root", "a", "b", "c", "a", "b", "c", func(a Agent) any { return a.CgroupRoot }},
		{"directory.ca-file", "a", "b", "c", "a", "b", "c", func(a Agent) any { return a.DirectoryCAFile }},
		{"directory.token-file", "a", "b", "c", "a", "b", "c", func(a Agent) any { return a.DirectoryTokenFile }},
		{"directory.address", "a:1", "b:2", "c:3", "a:1", "b:2", "c:3", func(a Agent) any { return a.DirectoryAddress }},
		{"kubernetes", "on", "off", "auto", KubernetesOn, KubernetesOff, KubernetesAuto, func(a Agent) any { return a.Kubernetes.Kubernetes }},
		{"pod-labels", "[a, b/c]", "d", "e,f", "a b/c", "d", "e f", func(a Agent) any { return strings.Join(a.PodLabels, " ") }},
		{"pod-annotations", "[a, b/c]", "d", "e,f", "a b/c", "d", "e f", func(a Agent) any { return strings.Join(a.PodAnnotations, " ") }},
		{"include", "[a, b/c]", "d", "e,f/g*", "[{a *} {b c}]", "[{d *}]", "[{e *} {f g*}]", func(a Agent) any { return fmt.Sprint(a.Include) }},
		{"exclude", "[a, b/c]", "d", "e,f/g*", "[{a *} {b c}]", "[{d *}]", "[{e *} {f g*}]", func(a Agent) any { return fmt.Sprint(a.Exclude) }},
		{"networks", "[a=10.0.0.1/8]", "b=::/0", "c=1.1.1.1/32,d=2.0.0.0/8", "[{a 10.0.0.0/8}]", "[{b ::/0}]", "[{c 1.1.1.1/32} {d 2.0.0.0/8}]", func(a Agent) any { return fmt.Sprint(a.Networks) }},
	}
	for _, s := range settings {
		env := "FATHOM_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(s.flag))
		for _, source := range []struct {
			name string
			env  map[string]string
			args []string
			want any
		}{
			{"file", nil, nil, s.fromFile},
			{"environment", map[string]string{env: s.env}, nil, s.fromEnv},
			{"flag", map[string]string{env: s.env}, []string{"--" + s.flag + "=" + s.arg}, s.fromArg},
		} {
			t.Run(s.flag+"/"+source.name, func(t *testing.T) {
				got, err := parse(t, s.flag+": "+s.file+"\n", source.env, source.args...)
				if err != nil {
					t.Fatal(err)
				}
				if v := s.get(got); v != source.want {
					t.Errorf("got %v, want %v", v, source.want)
				}
			})
		}
	}
	covered := len(settings) + len([]string{"config", "web.config.file", "directory.cert-file", "directory.key-file"})
	if n := flagCount(t); n != covered {
		t.Errorf("the command has %d settings, this test covers %d", n, covered)
	}
}

func flagCount(t *testing.T) int {
	t.Helper()
	parser, err := kong.New(&Agent{}, append(Options(), kong.NoDefaultHelp())...)
	if err != nil {
		t.Fatal(err)
	}
	return len(parser.Model.Flags)
}

func TestErrors(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		env  map[string]string
		args []string
		want string
	}{
		"flag out of range": {
			args: []string{"--max-series=1"},
			want: "--max-series: 1 is not between 4 and 262144",
		},
		"environment out of range": {
			env:  map[string]string{"FATHOM_SETTLE_AFTER": "1h"},
			want: "FATHOM_SETTLE_AFTER (environment): 1h0m0s is not between 100ms and 10m0s",
		},
		"file out of range": {
			file: "# limits\nmax-series: 1\n",
			want: "fathom.yaml: line 2: max-series: 1 is not between 4 and 262144",
		},
		"flag no number": {
			args: []string{"--max-series=many"},
			want: `--max-series: expected a valid 64 bit int but got "many"`,
		},
		"environment no number": {
			env:  map[string]string{"FATHOM_MAX_SERIES": "many"},
			want: `--max-series: expected a valid 64 bit int but got "many" (from envar FATHOM_MAX_SERIES="many")`,
		},
		"file no number": {
			file: "max-series: many\n",
			want: `fathom.yaml: line 1: max-series: expected a valid 64 bit int but got "many"`,
		},
		"unknown flag": {
			args: []string{"--max-serie=5"},
			want: `unknown flag --max-serie, did you mean one of "--max-series", "--max-series-per-workload"?`,
		},
		"unknown key": {
			file: "max-series: 100\nmax-things: 5\n",
			want: "fathom.yaml: line 2: max-things: unknown setting; `fathom agent --help` lists them",
		},
		"key with underscores": {
			file: "max_series: 100\n",
			want: `fathom.yaml: line 1: max_series: unknown setting, did you mean "max-series"?`,
		},
		"nested key": {
			file: "log:\n  level: info\n",
			want: `fathom.yaml: line 1: log: unknown setting; keys are not nested, write "log.`,
		},
		"config within config": {
			file: "config: other.yaml\n",
			want: "fathom.yaml: line 1: config: unknown setting",
		},
		"unknown key that is overridden by nobody": {
			file: "help: true\n",
			want: "fathom.yaml: line 1: help: unknown setting",
		},
		"duplicate key": {
			file: "max-series: 100\nmax-peers: 9\nmax-series: 200\n",
			want: "fathom.yaml: line 3: max-series: given before, on line 1",
		},
		"no value": {
			file: "max-series:\n",
			want: "fathom.yaml: line 1: max-series: has no value; delete the line for the default",
		},
		"empty list": {
			file: "web.listen-address: []\n",
			want: "fathom.yaml: line 1: web.listen-address: has no value",
		},
		"list for a number": {
			file: "max-series: [1, 2]\n",
			want: "fathom.yaml: line 1: max-series: takes one value, not 2",
		},
		"mapping for a number": {
			file: "max-series: {a: 1}\n",
			want: "fathom.yaml: line 1: max-series: wants a value or a list of values",
		},
		"two documents": {
			file: "max-series: 100\n---\nmax-series: 200\n",
			want: "fathom.yaml: line 2: a second document; give one",
		},
		"no mapping": {
			file: "- a\n- b\n",
			want: "fathom.yaml: line 1: want lines of the form `max-series: 4096`",
		},
		"no YAML": {
			file: "max-series: 100\n\tmax-peers: 9\n",
			want: "fathom.yaml: yaml: line 2: found a tab character",
		},
		"no such file": {
			args: []string{"--config=/nonexistent/fathom.yaml"},
			want: "--config: open /nonexistent/fathom.yaml: no such file or directory",
		},
		"directory for a file": {
			env:  map[string]string{"FATHOM_CONFIG": "/"},
			want: "FATHOM_CONFIG (environment): / is not a regular file",
		},
		"address without port": {
			args: []string{"--web.listen-address=localhost"},
			want: `--web.listen-address: "localhost" is not HOST:PORT, as 127.0.0.1:10777 or [::1]:10777`,
		},
		"address with a large port": {
			args: []string{"--web.listen-address=:70000"},
			want: `--web.listen-address: ":70000": the port is not a number up to 65535`,
		},
		"address twice": {
			args: []string{"--web.listen-address=:1", "--web.listen-address=:1"},
			want: `--web.listen-address: ":1" is given twice`,
		},
		"no web configuration": {
			args: []string{"--web.config.file=/nonexistent/web.yml"},
			want: "--web.config.file: /nonexistent/web.yml: open /nonexistent/web.yml: no such file or directory",
		},
		"buckets descend": {
			args: []string{"--buckets=0.1,50ms"},
			want: "--buckets: 50ms after 100ms: bounds must ascend",
		},
		"bucket too small": {
			args: []string{"--buckets=1ns,1"},
			want: "--buckets: 1ns is not between 1µs and 4m16s",
		},
		"bucket is no number": {
			args: []string{"--buckets=NaN"},
			want: `--buckets: "NaN" is not between 1µs and 4m16s`,
		},
		"bucket is garbage": {
			args: []string{"--buckets=1,two"},
			want: `--buckets: "two" is neither seconds (0.25) nor a duration (250ms)`,
		},
		"log level": {
			args: []string{"--log.level=loud"},
			want: `--log.level: slog: level string "loud": unknown name`,
		},
		"log format": {
			file: "log.format: xml\n",
			want: `fathom.yaml: line 1: log.format: "xml" is neither text nor json`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(t, c.file, c.env, c.args...)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %s\nwant %s", err, c.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

// The file's keys are checked even where a flag overrides their values.
func TestOverriddenFileIsStillStrict(t *testing.T) {
	got, err := parse(t, "max-series: many\n", nil, "--max-series=50")
	if err != nil || got.MaxSeries != 50 {
		t.Errorf("got %d, %v", got.MaxSeries, err)
	}
	if _, err := parse(t, "max-series: 1\nbogus: 1\n", nil, "--max-series=50"); err == nil {
		t.Error("accepted an unknown key")
	}
}

func TestEmptyFiles(t *testing.T) {
	for _, file := range []string{"# nothing\n", "---\n", "\n\n"} {
		if _, err := parse(t, file, nil); err != nil {
			t.Errorf("%q: %v", file, err)
		}
	}
}

func TestFileBounds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(path, make([]byte, maxFileSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readRegular(path); err == nil {
		t.Error("read a file beyond the limit")
	}
}

func FuzzParseFile(f *testing.F) {
	for _, seed := range []string{
		"", "max-series: 100\n", "buckets: [0.1, 200ms]\n", "a: &x [1]\nb: *x\n", "a: {b: c}\n", "<<: {a: 1}\n",
		"a: 1\na: 2\n", "? [a]\n: b\n", "--- 1\n--- 2\n", "!!binary a: b\n", "a: !!null 1\n", "\x00", "%YAML 9.9\n---\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		settings, err := parseFile(data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		seen := make(map[string]bool)
		for _, s := range settings {
			if s.line < 1 || seen[s.key] || (s.nested && len(s.values) > 0) {
				t.Errorf("bad setting %+v", s)
			}
			seen[s.key] = true
		}
	})
}

func FuzzBuckets(f *testing.F) {
	for _, seed := range []string{"0.1,0.2", "1e300", "NaN", "-Inf", "5ms", ",", "1,,2", "0x1p-3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var b Buckets
		if b.UnmarshalText([]byte(text)) != nil || checkBuckets(b) != nil {
			return
		}
		if !slices.IsSorted(b) || b[0] < minBound || b[len(b)-1] > maxBound {
			t.Errorf("accepted %v", b)
		}
	})
}

func flagsWithDefault(t *testing.T) (n int) {
	t.Helper()
	parser, err := kong.New(&Agent{}, append(Options(), kong.NoDefaultHelp())...)
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range parser.Model.Flags {
		if flag.HasDefault {
			n++
		}
	}
	return n
}

// The example has every setting that has a default, with it.
func TestExample(t *testing.T) {
	example, err := os.ReadFile("../../deploy/fathom.yaml")
	if err != nil {
		t.Fatal(err)
	}
	settings, err := parseFile(example)
	if err != nil {
		t.Fatal(err)
	}
	if want := flagsWithDefault(t); len(settings) != want {
		t.Errorf("%d settings, want %d", len(settings), want)
	}
	want, err := parse(t, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parse(t, string(example), nil)
	if err != nil {
		t.Fatal(err)
	}
	got.Config = ""
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
