package page

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/fathomhq/fathom/test/process"
)

// What the demonstration does: internal/demo.
const (
	frontend = "shop-frontend" // at the end of the link that loses packets
	payments = "shop-payments" // overloaded
)

func TestPage(t *testing.T) {
	browser := newBrowser(t)
	startOpaque(t)
	address := startDemo(t)
	marked(browser, t, address)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *tab)
	}{
		{"first sight", firstSight}, {"sort", sorts}, {"filter", filters}, {"open", opens}, {"coverage", coverage}, {"agent", agent},
		{"links", links}, {"looks", looks}, {"pause", pauses}, {"keyboard", keyboard},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(browser, t, address)) })
	}
	t.Run("hostile name", func(t *testing.T) { hostileName(t, open(browser, t, address)) })
	t.Run("stop", func(t *testing.T) { stops(browser, t) })
	t.Run("nothing yet", func(t *testing.T) { nothingYet(browser, t, address) })
}

// row is an expression for the row of a workload, wherever it is now.
func row(name string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(".workloads tbody tr")].find((e) => e.querySelector("a").innerText === %q)`, name)
}

// marked waits until the page has seen enough of the demonstration to judge it.
func marked(browser context.Context, t *testing.T, address string) {
	b := open(browser, t, address)
	b.visit("")
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Second) {
		found := b.texts(".findings li")
		if finds(found, "overloaded", payments) && finds(found, "loses packets", frontend) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the page finds: %q", found)
		}
	}
}

// finds tells whether a line of what stands out says something of a workload.
func finds(lines []string, badge, workload string) bool {
	return slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, badge) && strings.Contains(line, workload) })
}

// Who is overloaded, and which link loses packets, can be read without a click.
func firstSight(t *testing.T, b *tab) {
	b.before(`new MutationObserver((_, o) => {
		if (document.querySelector(".workloads tbody tr")) { window.shown = performance.now(); o.disconnect(); }
	}).observe(document, {childList: true, subtree: true})`)
	b.visit("")
	t.Logf("the table is there after %.0f ms, first paint after %.0f ms", eval[float64](b, "shown"),
		eval[float64](b, `performance.getEntriesByName("first-contentful-paint")[0].startTime`))
	t.Logf("sizes: %s", eval[string](b, `performance.getEntriesByType("resource").filter((e) => e.name.includes("/assets/"))
		.reduce((sum, e) => sum + e.encodedBodySize, performance.getEntriesByType("navigation")[0].encodedBodySize) + " bytes transferred"`))

	for _, want := range []struct{ badge, workload string }{{"overloaded", payments}, {"loses packets", frontend}} {
		if !finds(b.texts(".findings li"), want.badge, want.workload) {
			t.Errorf("it is not said that %s is %s. The page says:\n%s", want.workload, want.badge, b.text("main"))
		}
	}
	b.becomes(row(payments) + `.querySelector(".c-queue").innerText.includes("overloaded")`)
	b.becomes(row(frontend) + `.querySelector(".c-retransmits").innerText.includes("loses packets\nto 198.1")`)
	b.do(chromedp.Click(chromedp.CSS("#prometheus summary")))
	b.says("#prometheus", "histogram_quantile")
}

// number reads what a cell shows, in the unit of its column. Without a number it is negative.
func number(t *testing.T, cell string) float64 {
	t.Helper()
	text, _, _ := strings.Cut(strings.TrimPrefix(cell, "< "), "\n")
	text = strings.TrimPrefix(text, "> ")
	if text == "–" || strings.HasPrefix(text, "no HTTP") {
		return -1
	}
	end := strings.IndexFunc(text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	v, err := strconv.ParseFloat(text[:end], 64)
	if err != nil {
		t.Fatalf("%q: %v", cell, err)
	}
	unit := strings.TrimSuffix(strings.TrimSpace(text[end:]), "/s")
	scale, ok := map[string]float64{"": 1, "%": 1, "k": 1e3, "µs": 1e-6, "ms": 1e-3, "s": 1, "min": 60}[unit]
	if !ok {
		t.Fatalf("%q has the unit %q", cell, unit)
	}
	return v * scale
}

// Every column sorts, in both directions, and says so.
func sorts(t *testing.T, b *tab) {
	b.visit("")
	for _, column := range []string{"rate", "errors", "p50", "p90", "p99", "queue", "retransmits", "name"} {
		head := ".workloads thead .c-" + column
		for range 2 {
			b.do(chromedp.Click(chromedp.CSS(head + " button")))
			b.becomes(fmt.Sprintf("document.querySelector(%q).ariaSort", head))
			direction := eval[string](b, fmt.Sprintf("document.querySelector(%q).ariaSort", head))
			cells := b.texts(".workloads tbody .c-" + column)
			if column == "name" {
				cells = b.texts(".workloads tbody .c-name a")
			}
			checkOrder(t, column, direction, cells)
			if sort := b.query("sort"); strings.TrimPrefix(sort, "-") != column && column != "rate" {
				t.Errorf("%s: the address says %q", column, sort)
			}
		}
	}
}

func checkOrder(t *testing.T, column, direction string, cells []string) {
	t.Helper()
	if direction != "ascending" && direction != "descending" {
		t.Errorf("%s is %q", column, direction)
	}
	for i := 1; i < len(cells); i++ {
		if !inOrder(t, column, direction == "ascending", cells[i-1], cells[i]) {
			t.Errorf("%s %s: %q is before %q", column, direction, cells[i-1], cells[i])
		}
	}
}

// inOrder tells whether a cell may stand before another. Those without a number are last in both directions.
func inOrder(t *testing.T, column string, ascending bool, before, after string) bool {
	if column == "name" {
		return before == after || (before < after) == ascending
	}
	x, y := number(t, before), number(t, after)
	return y < 0 || x >= 0 && (x == y || (x < y) == ascending)
}

// A filter narrows the table while it is typed, and is in the link.
func filters(t *testing.T, b *tab) {
	b.visit("?sort=name")
	b.do(chromedp.SendKeys(chromedp.CSS(".filter input"), "PAY shop"))
	b.becomes(`document.querySelectorAll(".workloads tbody tr").length === 1`)
	if names := b.texts(".workloads tbody .c-name a"); names[0] != payments {
		t.Errorf("it shows %q", names)
	}
	if filter := b.query("filter"); filter != "PAY shop" {
		t.Errorf("the address has the filter %q", filter)
	}
	b.says(".matches", "1 of ")
	b.do(chromedp.Reload())
	b.becomes(`document.querySelectorAll(".workloads tbody tr").length === 1 && document.querySelector(".filter input").value === "PAY shop"`)
	b.do(chromedp.SendKeys(chromedp.CSS(".filter input"), "no such thing"))
	b.says("main", "No workload matches")
}

// A click opens a workload, and the back button returns to the table as it was.
func opens(t *testing.T, b *tab) {
	b.visit("?sort=-p99&filter=shop")
	box := eval[[]float64](b, `(({x, y, width, height}) => [x + width - 30, y + height / 2])(`+row(payments)+`.getBoundingClientRect())`)
	b.do(chromedp.MouseClickXY(box[0], box[1])) // anywhere in the row
	b.says("h1", payments)
	b.loaded()
	b.becomes(`document.querySelectorAll("path.heat").length > 1 && document.querySelectorAll(".plot").length === 3`)
	text := b.text("main")
	for _, want := range []string{"Latency of requests", "Service and queue time", "Answers by status", "TCP by peer", "POST", "503", "overloaded", "queue", "service"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if title := eval[string](b, "document.title"); title != payments+" · Fathom" {
		t.Errorf("the title is %q", title)
	}
	b.do(chromedp.NavigateBack())
	b.becomes(`document.querySelector(".workloads thead .c-p99").ariaSort === "descending" && document.querySelector(".filter input").value === "shop"`)
}

// All of it can be done with the keyboard alone.
func keyboard(t *testing.T, b *tab) {
	b.visit("?filter=shop")
	tabTo := func(expression string) {
		t.Helper()
		for range 60 {
			b.press(kb.Tab)
			if eval[bool](b, "((e) => "+expression+")(document.activeElement)") {
				if !eval[bool](b, `((e) => getComputedStyle(e).outlineStyle !== "none" || getComputedStyle(e.nextElementSibling ?? e).outlineStyle !== "none")(document.activeElement)`) {
					t.Errorf("nothing shows where the focus is: %s", expression)
				}
				return
			}
		}
		t.Fatalf("the tab key does not reach %s", expression)
	}
	tabTo(`e.matches(".skip")`)
	tabTo(`e.matches(".pause")`)
	tabTo(`e.matches(".window input")`)
	b.press(kb.ArrowLeft)
	b.becomes(`document.querySelector(".window input:checked").value === "1m"`)
	tabTo(`e.matches(".c-queue button")`)
	b.becomes(`getComputedStyle(document.activeElement.nextElementSibling).visibility === "visible" && document.activeElement.nextElementSibling.innerText.includes("overloaded")`)
	b.press(kb.Escape)
	b.becomes(`getComputedStyle(document.activeElement.nextElementSibling).display === "none"`)
	b.press(kb.Enter)
	b.becomes(`document.querySelector(".workloads thead .c-queue").ariaSort === "descending"`)
	tabTo(fmt.Sprintf(`e.innerText === %q`, payments))
	b.press(kb.Enter)
	b.says("h1", payments)
	b.loaded()
	b.becomes(`document.activeElement.id === "main"`)

	tabTo(`e.matches(".plot") && e.ariaLabel === "Latency of requests over time"`)
	b.becomes(`document.activeElement.ariaValueMax >= 2`) // steps to walk over
	b.press(kb.ArrowLeft)
	at := `document.activeElement.ariaValueText`
	before := eval[string](b, at)
	b.press(kb.ArrowLeft)
	b.becomes(fmt.Sprintf("%s !== %q", at, before))
	b.press(kb.ArrowUp)
	b.becomes(at + `.includes(" of ") && ` + at + `.includes(" requests")`)
	b.says(".legend .when", " requests")
	b.press(kb.Home)
	b.becomes(`document.activeElement.ariaValueNow === "0"`)
	b.press(kb.Escape)
	b.says(".legend .when", "latest")
	b.do(chromedp.NavigateBack())
	b.becomes(`document.querySelector(".workloads")`)
}

// What cannot be read is said, with the reason and what to do.
func coverage(t *testing.T, b *tab) {
	b.visit("")
	b.do(chromedp.Click(chromedp.CSS(`nav a[href*="coverage"]`)))
	b.says("h1", "Coverage")
	b.loaded()
	b.says("main", "Start the agent with --tls")
	text := b.text("main")
	for _, want := range []string{"of the bytes are on connections that Fathom reads", "TLS, not read", "page.test", "What is lost", "http_series"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}

func agent(t *testing.T, b *tab) {
	b.visit("?view=agent")
	b.says("h1", "Agent")
	text := b.text("main")
	for _, want := range []string{"CPU of the agent", "CPU in the kernel", "Memory", "% of a core", "data_read", "This history"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
}

// A paused page asks nothing and keeps what it shows.
func pauses(t *testing.T, b *tab) {
	b.visit("")
	b.do(chromedp.Click(chromedp.CSS(".pause")))
	b.says(".fresh", "paused at ")
	asked, shown := len(b.requests()), b.text("tbody")
	time.Sleep(7 * time.Second) // longer than between two questions
	if now := len(b.requests()); now != asked {
		t.Errorf("%d requests while paused", now-asked)
	}
	if b.text("tbody") != shown {
		t.Error("the numbers changed while paused")
	}
	b.do(chromedp.Click(chromedp.CSS(`nav a[href*="coverage"]`)))
	b.says("h1", "Coverage") // what was not shown yet is, all the same
	b.do(chromedp.Click(chromedp.CSS(`nav a`)))
	b.becomes(fmt.Sprintf(`document.querySelector("tbody")?.innerText === %q`, shown))
	b.do(chromedp.Click(chromedp.CSS(".pause")))
	b.says(".fresh", "live")
	b.becomes(fmt.Sprintf(`document.querySelector("tbody").innerText !== %q`, shown))
}

// Links lead where they say, also those that are wrong.
func links(t *testing.T, b *tab) {
	b.visit("?view=nonsense&sort=nonsense&window=nonsense&filter=")
	b.becomes(`document.querySelector(".workloads tbody tr")`)
	for _, href := range eval[[]string](b, `[...document.querySelectorAll("footer a")].map((a) => a.href)`) {
		resp, err := http.Get(href)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", href, resp.Status)
		}
	}
	b.mu.Lock()
	b.mayBreak = true // the answer is 404, which Chromium writes to its console
	b.mu.Unlock()
	b.do(chromedp.Navigate(b.base + "/?workload=" + strings.Repeat("0", 24)))
	b.says("h1", "Not in the last 15 minutes")
}

// Every view fits a phone, and is legible in light and dark: axe-core finds nothing wrong. Leaves screenshots.
func looks(t *testing.T, b *tab) {
	b.visit("?filter=" + payments)
	workload := eval[string](b, `document.querySelector(".workloads tbody a").getAttribute("href").replace(/&filter=.*/, "")`)
	for _, view := range []struct{ name, query string }{
		{"overview", ""}, {"workload", workload}, {"coverage", "?view=coverage"}, {"agent", "?view=agent"},
	} {
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{wide, narrow} {
				b.look(width, scheme)
				b.visit(view.query)
				b.becomes(`document.querySelector("main .panel")`)
				if scroll := eval[int64](b, "document.documentElement.scrollWidth"); scroll > width {
					t.Errorf("%s is %d pixels wide on a screen of %d", view.name, scroll, width)
				}
				for _, broken := range b.axe() {
					t.Errorf("%s, %s, %d pixels: %s", view.name, scheme, width, broken)
				}
				b.screenshot(fmt.Sprintf("%s-%s-%d", view.name, scheme, width))
			}
		}
	}
}

// Processes choose their names. Whatever is in one is text.
func hostileName(t *testing.T, b *tab) {
	const name = "<img src=x>" // at most 15 bytes, and no slash
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	server := serve(t, func(http.ResponseWriter, *http.Request) {})
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), askVariable+"=http://"+server)
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, output)
	}
	b.visit("?filter=" + url.QueryEscape(name))
	b.becomes(fmt.Sprintf(`document.querySelector(".workloads tbody a")?.innerText === %q`, name))
	b.do(chromedp.Click(chromedp.CSS(".workloads tbody a")))
	b.says("h1", name)
	if n := eval[int](b, `document.querySelectorAll("img").length`); n != 0 {
		t.Errorf("%d images", n)
	}
}

// When the agent does not answer any more, the page says so, keeps the numbers, and goes on when it is back.
func stops(browser context.Context, t *testing.T) {
	address := process.FreeAddress(t)
	agent := process.StartAgent(t, address)
	b := open(browser, t, address)
	b.do(chromedp.Navigate(b.base + "/"))
	b.becomes(`document.querySelector(".workloads tbody tr, .empty")`)
	b.becomes(`document.querySelector(".workloads tbody tr")`)
	b.mu.Lock()
	b.mayBreak = true
	b.mu.Unlock()
	agent.Stop()
	b.says("[role=status]", "Not connected: the agent does not answer.")
	b.says(".fresh", "not connected · ")
	b.becomes(`document.querySelector(".workloads tbody tr")`)
	for _, broken := range b.axe() {
		t.Error(broken)
	}
	b.screenshot("stopped")
	b.becomes(`parseInt(document.querySelector(".fresh").innerText.match(/(\d+) s old/)[1]) >= 3`)
	process.StartAgent(t, address)
	b.do(chromedp.Click(chromedp.CSS(".trouble button")))
	b.becomes(`document.querySelector(".fresh.live") && !document.querySelector(".trouble")`)
}

// An agent on a host without any traffic says what to do. There is always some here, so it is left out of the agent's answer.
func nothingYet(browser context.Context, t *testing.T, address string) {
	b := open(browser, t, leaveOut(t, address, func(workload string) bool { return workload != "fathom" }))
	b.look(wide, "light")
	b.visit("")
	b.says("main", "No requests yet")
	for _, broken := range b.axe() {
		t.Error(broken)
	}
	b.screenshot("nothing-yet")
}

// leaveOut serves what an agent does, without some workloads in the overview.
func leaveOut(t *testing.T, agent string, which func(workload string) bool) (address string) {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		resp, err := http.Get("http://" + agent + r.URL.RequestURI())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		if r.URL.Path != "/api/v1/workloads" {
			_, _ = io.Copy(w, resp.Body)
			return
		}
		var answer map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			t.Error(err)
			return
		}
		all, _ := answer["workloads"].([]any)
		answer["workloads"] = slices.DeleteFunc(all, func(w any) bool {
			row, _ := w.(map[string]any)
			name, _ := row["workload"].(string)
			return which(name)
		})
		_ = json.NewEncoder(w).Encode(answer)
	})
}
