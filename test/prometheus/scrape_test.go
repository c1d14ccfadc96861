package prometheus

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Statuses that nothing else on the host answers with.
const (
	statusFast = 298
	statusSlow = 598

	slowTime = 30 * time.Millisecond
)

// load is what the client did, measured by the client.
type load struct {
	fast, slow int
	longest    time.Duration
}

// TestScrape compares what two Prometheus servers stored, one with classic and one
// with native histograms, with what the client counted.
func TestScrape(t *testing.T) {
	agent := startAgent(t)
	classic := startPrometheus(t, "classic", agent)
	native := startPrometheus(t, "native", agent, "--enable-feature=native-histograms")

	truth := drive(t)
	const name = "http_request_duration_seconds"
	for _, c := range []struct {
		what  string
		p     prometheus
		query string // with the status for %d
	}{
		{"classic count", classic, "sum(" + name + "_count{status=\"%d\"})"},
		{"classic +Inf bucket", classic, "sum(" + name + "_bucket{status=\"%d\", le=\"+Inf\"})"},
		{"native count", native, "sum(histogram_count(" + name + "{status=\"%d\"}))"},
	} {
		c.p.becomes(t, c.what, fmt.Sprintf(c.query, statusFast), float64(truth.fast))
		c.p.becomes(t, c.what, fmt.Sprintf(c.query, statusSlow), float64(truth.slow))
	}

	slow := fmt.Sprintf(`{status="%d"}`, statusSlow)
	classicSum := classic.query(t, "sum("+name+"_sum"+slow+")")
	nativeSum := native.query(t, "sum(histogram_sum("+name+slow+"))")
	if math.Abs(classicSum-nativeSum) > 1e-6 {
		t.Errorf("sum: classic %g s, native %g s", classicSum, nativeSum)
	}
	if least := float64(truth.slow) * slowTime.Seconds(); classicSum < least {
		t.Errorf("sum %g s, the server slept for %g s", classicSum, least)
	}
	// A bucket of schema 3 is 9 % wide.
	median := native.query(t, "histogram_quantile(0.5, sum("+name+slow+"))")
	if low, high := slowTime.Seconds()/1.1, truth.longest.Seconds()*1.1; median < low || median > high {
		t.Errorf("native median %g s, not between %g and %g s", median, low, high)
	}
	for _, p := range []prometheus{classic, native} {
		if up := p.query(t, `min_over_time(up{job="fathom"}[1m])`); up != 1 {
			t.Errorf("%s: a scrape failed", p.name)
		}
	}
}

// drive serves and sends requests for some scrapes, and returns when both ends have
// closed.
func drive(t *testing.T) load {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			time.Sleep(slowTime)
			w.WriteHeader(statusSlow)
			return
		}
		w.WriteHeader(statusFast)
	}))
	defer server.Close()
	client := &http.Client{Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	var done load
	for end := time.Now().Add(8 * time.Second); time.Now().Before(end); {
		for range 9 {
			request(t, client, server.URL+"/fast", statusFast)
			done.fast++
		}
		start := time.Now()
		request(t, client, server.URL+"/slow", statusSlow)
		done.longest = max(done.longest, time.Since(start))
		done.slow++
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("the client sent %d fast and %d slow requests; the longest took %s", done.fast, done.slow, done.longest)
	return done
}

func request(t *testing.T, client *http.Client, url string, want int) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != want {
		t.Fatalf("%s: %s", url, resp.Status)
	}
}

// TestPromtool lints the golden exposition and that of a running agent.
func TestPromtool(t *testing.T) {
	golden, err := os.ReadFile("../../internal/metrics/testdata/exposition.txt")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get("http://" + startAgent(t) + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	live, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for name, exposition := range map[string]string{"golden": string(golden), "live": string(live)} {
		cmd := exec.Command("promtool", "check", "metrics")
		cmd.Stdin = strings.NewReader(exposition)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s exposition: %v\n%s", name, err, out)
		}
	}
}
