package prometheus

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/fathomhq/fathom/test/process"
)

// startAgent starts an agent and returns its address once it is ready.
func startAgent(t *testing.T, flags ...string) string {
	t.Helper()
	address := process.FreeAddress(t)
	process.StartAgent(t, address, flags...)
	return address
}

// prometheus is a running server.
type prometheus struct {
	name, url string
}

// startPrometheus starts a server that scrapes the target every second.
func startPrometheus(t *testing.T, name, target string, flags ...string) prometheus {
	t.Helper()
	const format = "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: fathom\n  static_configs: [{targets: [%q]}]\n"
	return servePrometheus(t, name, "prometheus", t.TempDir(), fmt.Appendf(nil, format, target), flags...)
}

// servePrometheus starts a server of a program with a configuration. What it stores is in the directory data of dir.
func servePrometheus(t *testing.T, name, program, dir string, configuration []byte, flags ...string) prometheus {
	t.Helper()
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, configuration, 0o600); err != nil {
		t.Fatal(err)
	}
	address := process.FreeAddress(t)
	server := process.Start(t, program, append(flags,
		"--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)...)
	server.WaitReady("http://" + address + "/-/ready")
	return prometheus{name, "http://" + address}
}

// becomes waits for an expression to have a value.
func (p prometheus) becomes(t *testing.T, what, expression string, want float64) {
	t.Helper()
	var got float64
	for end := time.Now().Add(process.Patience); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if got = p.query(t, expression); got == want {
			return
		}
	}
	t.Errorf("%s: %s = %g, want %g", what, expression, got, want)
}

// query returns the value of an expression, 0 if it has none.
func (p prometheus) query(t *testing.T, expression string) float64 {
	t.Helper()
	result := p.series(t, expression)
	switch len(result) {
	case 0:
		return 0
	case 1:
		return result[0].Value.value
	}
	t.Fatalf("%s: %d values", expression, len(result))
	return 0
}

// series is one element of an answer: with a Value, or with Values if the expression has
// a range.
type series struct {
	Metric map[string]string
	Value  sample
	Values []sample
}

// sample is a value at a time in ms.
type sample struct {
	time  int64
	value float64
}

// UnmarshalJSON reads [seconds, "value"].
func (s *sample) UnmarshalJSON(data []byte) error {
	var seconds float64
	var text string
	if err := json.Unmarshal(data, &[]any{&seconds, &text}); err != nil {
		return err
	}
	s.time = int64(math.Round(seconds * 1000))
	var err error
	s.value, err = strconv.ParseFloat(text, 64)
	return err
}

// series returns everything that an expression selects.
func (p prometheus) series(t *testing.T, expression string) []series {
	t.Helper()
	resp, err := http.Get(p.url + "/api/v1/query?query=" + url.QueryEscape(expression))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Error string
		Data  struct{ Result []series }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Error != "" {
		t.Fatalf("%s: %v %s", expression, err, answer.Error)
	}
	return answer.Data.Result
}
