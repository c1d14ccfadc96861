package page

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

var images = flag.String("images", "", "address of an agent beside a demonstration: take the screenshots of docs/images from it")

// TestImages takes the pictures of the documents. Let the demonstration run for 15 minutes before, on a host where nothing else does,
// and make the files smaller afterwards, for instance with pngquant.
func TestImages(t *testing.T) {
	if *images == "" {
		t.Skip("no -images")
	}
	b := open(newBrowser(t), t, *images)
	b.visit("?filter=" + payments)
	workload := eval[string](b, `document.querySelector(".workloads tbody a").getAttribute("href").replace(/&filter=.*/, "")`)
	for _, picture := range []struct {
		name, query, scheme string
		width               int64
		until               string // selector of the last element that is shown; empty: all
	}{
		{"overview-light", "", "light", 1120, ".table-panel"},
		{"overview-dark", "", "dark", 1120, ".table-panel"},
		{"overview-phone", "", "dark", narrow, ""},
		{"workload-light", workload, "light", 1120, ".charts"},
		{"workload-dark", workload, "dark", 1120, ".charts"},
		{"coverage-light", "?view=coverage", "light", 1120, "main > .panel:nth-of-type(3)"},
	} {
		b.look(picture.width, picture.scheme)
		b.visit(picture.query)
		height := 1400.0
		if picture.until != "" {
			height = eval[float64](b, `document.querySelector("`+picture.until+`").getBoundingClientRect().bottom + scrollY + 14`)
		}
		b.picture(filepath.Join("../../docs/images", picture.name+".png"), float64(picture.width), height)
	}
}

// picture writes the upper part of the page.
func (b *tab) picture(file string, width, height float64) {
	b.Helper()
	png, err := chromedp.Run(b.ctx, func(ctx context.Context, t *chromedp.Target) ([]byte, error) {
		shot, err := cdp.Call(ctx, t, cdppage.CaptureScreenshot, cdppage.CaptureScreenshotParams{
			CaptureBeyondViewport: new(true), Clip: &cdppage.Viewport{Width: width, Height: height, Scale: 1},
		})
		return shot.Data, err
	})
	if err == nil {
		err = os.WriteFile(file, png, 0o644)
	}
	if err != nil {
		b.Error(err)
	}
}
