package page

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/fathomhq/fathom/test/process"
)

// Where screenshots go.
const shots = "../../build/page"

// Widths of a screen, in pixels.
const (
	wide   = 1280
	narrow = 360
)

// chromium returns the path of a Chromium, or skips the test.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium-headless-shell", "chromium", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const missing = "Chromium is not installed"
	if os.Getenv("FATHOM_REQUIRE_TOOLS") == "1" {
		t.Fatal(missing)
	}
	t.Skip(missing + "; FATHOM_REQUIRE_TOOLS=1 makes this an error")
	return ""
}

// newBrowser starts a browser, which ends with the test.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(chromium(t)))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium's sandbox refuses root
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return ctx
}

// tab is a tab of the browser that watches what the page does.
type tab struct {
	*testing.T
	ctx  context.Context
	base string // of the agent, as http://HOST:PORT

	mu        sync.Mutex
	asked     []string // addresses of all requests
	mayBreak  bool     // requests may fail, as the agent is stopped
	disturbed bool     // see networkChanged
}

// open opens a tab. It fails the test at its end for what was written to the console, and for requests to others than the agent.
func open(browser context.Context, t *testing.T, address string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	b := &tab{T: t, ctx: ctx, base: "http://" + address}
	// The tab lives as long as the context of its first action.
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	call(b, network.Enable, network.EnableParams{})
	console := chromedp.Console(ctx)
	if err := chromedp.Listen(ctx, func(e any) {
		if sent, ok := e.(*network.EventRequestWillBeSent); ok {
			b.mu.Lock()
			b.asked = append(b.asked, sent.Request.URL)
			b.mu.Unlock()
		}
	}); err != nil {
		t.Fatal(err)
	}
	b.look(wide, "light")
	var reading sync.WaitGroup
	reading.Go(func() {
		for m, err := range console {
			if err != nil {
				return
			}
			b.mu.Lock()
			changed := strings.Contains(m.Text, networkChanged)
			b.disturbed = b.disturbed || changed
			fine := changed || b.mayBreak && m.Source == "network"
			b.mu.Unlock()
			if !fine {
				t.Errorf("console: %s", m)
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		reading.Wait()
		for _, asked := range b.requests() {
			if !strings.HasPrefix(asked, b.base+"/") && asked != "about:blank" {
				t.Errorf("the page asked %s", asked)
			}
		}
	})
	return b
}

func (b *tab) requests() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.asked)
}

// do runs steps, and fails the test if one fails or takes too long.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, process.Patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.Fatal(err)
	}
}

// call sends a command of the DevTools protocol.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.Helper()
	if _, err := chromedp.Call(b.ctx, command, params); err != nil {
		b.Fatal(err)
	}
}

// eval returns the value of an expression in JavaScript.
func eval[T any](b *tab, expression string) T {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, process.Patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%s: %v", expression, err)
	}
	return v
}

// becomes waits until an expression in JavaScript is true.
func (b *tab) becomes(expression string) {
	b.Helper()
	for end := time.Now().Add(process.Patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if eval[bool](b, "!!("+expression+")") {
			return
		}
	}
	b.screenshot("failed-" + strings.ReplaceAll(b.Name(), "/", "-"))
	b.Fatalf("after %s it is not true that %s. The page says:\n%s", process.Patience, expression, b.text("body"))
}

// says waits until an element has a text.
func (b *tab) says(selector, text string) {
	b.Helper()
	b.becomes(fmt.Sprintf("document.querySelector(%q)?.innerText.includes(%q)", selector, text))
}

// text returns what is to be read in the first element of a selector.
func (b *tab) text(selector string) string {
	b.Helper()
	return eval[string](b, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector))
}

// texts returns what is to be read in all elements of a selector.
func (b *tab) texts(selector string) []string {
	b.Helper()
	return eval[[]string](b, fmt.Sprintf("[...document.querySelectorAll(%q)].map((e) => e.innerText)", selector))
}

// networkChanged is how Chromium breaks off all requests, those over loopback too, when an interface of the host comes or goes. Whoever
// else makes one, for instance another test, must not spoil this one.
const networkChanged = "ERR_NETWORK_CHANGED"

// visit goes to a page of the agent, and waits for its numbers.
func (b *tab) visit(query string) {
	b.Helper()
	for end := time.Now().Add(process.Patience); ; {
		b.do(chromedp.Navigate(b.base + "/" + query))
		for wait := time.Now().Add(3 * time.Second); time.Now().Before(wait); time.Sleep(50 * time.Millisecond) {
			if eval[bool](b, isLoaded) {
				return
			}
		}
		b.mu.Lock()
		again := b.disturbed && time.Now().Before(end)
		b.disturbed = false
		b.mu.Unlock()
		if !again {
			b.loaded()
			return
		}
	}
}

// isLoaded is true when a view shows numbers of the agent.
const isLoaded = `!!document.querySelector(".fresh.live") && !document.querySelector("[aria-busy]")`

func (b *tab) loaded() {
	b.Helper()
	b.becomes(isLoaded)
}

// query returns a parameter of the address.
func (b *tab) query(name string) string {
	b.Helper()
	u, err := url.Parse(eval[string](b, "location.href"))
	if err != nil {
		b.Fatal(err)
	}
	return u.Query().Get(name)
}

// look sets the width of the screen, in pixels, and the colours: light or dark.
func (b *tab) look(width int64, scheme string) {
	b.Helper()
	b.do(chromedp.EmulateViewport(width, 800))
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
}

// screenshot writes the whole page to build/page.
func (b *tab) screenshot(name string) {
	b.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.MkdirAll(shots, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(shots, name+".png"), png, 0o644)
	}
	if err != nil {
		b.Errorf("screenshot %s: %v", name, err)
	}
}

// press presses a key of github.com/chromedp/chromedp/kb.
func (b *tab) press(key string) {
	b.Helper()
	b.do(chromedp.KeyEvent(key))
}

// before runs a script in each document that is opened from now on, before those of the page.
func (b *tab) before(script string) {
	b.Helper()
	call(b, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: script})
}

// axe returns what axe-core finds wrong with the page as it is: rules with the elements that break them.
// https://github.com/dequelabs/axe-core
func (b *tab) axe() []string {
	b.Helper()
	file, err := os.Open("testdata/axe.min.js.gz")
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		b.Fatal(err)
	}
	script, err := io.ReadAll(z)
	if err != nil {
		b.Fatal(err)
	}
	b.do(chromedp.Evaluate[chromedp.Void](string(script)))
	return eval[[]string](b, `axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(
		(r) => r.violations.map((v) => v.id + ": " + v.help + ": " + v.nodes.map((n) => n.target.join(" ") + " " + n.any.map((a) => a.message).join("; ")).join(", ")))`)
}
