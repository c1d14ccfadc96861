package top

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/fathomhq/fathom/internal/history"
)

// none stands for a number that does not exist.
const none = "-"

// rate writes a number per second.
func rate(n history.Number) string {
	f := float64(n)
	switch {
	case !n.Exists():
		return none
	case f == 0:
		return "0"
	case f < 0.05:
		return "<0.1"
	case f < 9.95:
		return strconv.FormatFloat(f, 'f', 1, 64)
	case f < 9999.5:
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return scaled(f, 1000, "", "k", "M", "G", "T")
}

// percent writes a ratio.
func percent(n history.Number) string {
	f := float64(n) * 100
	switch {
	case !n.Exists():
		return none
	case f == 0:
		return "0%"
	case f < 0.1:
		return "<0.1%"
	case f < 9.95:
		return strconv.FormatFloat(f, 'f', 1, 64) + "%"
	}
	return strconv.FormatFloat(f, 'f', 0, 64) + "%"
}

// duration writes seconds.
func duration(n history.Number) string {
	f := float64(n)
	switch {
	case !n.Exists():
		return none
	case f < 0.0009995:
		return strconv.FormatFloat(f*1e6, 'f', 0, 64) + "us"
	case f < 0.00995:
		return strconv.FormatFloat(f*1e3, 'f', 1, 64) + "ms"
	case f < 0.9995:
		return strconv.FormatFloat(f*1e3, 'f', 0, 64) + "ms"
	case f < 9.95:
		return strconv.FormatFloat(f, 'f', 1, 64) + "s"
	}
	return strconv.FormatFloat(f, 'f', 0, 64) + "s"
}

// bytesOf writes a number of bytes.
func bytesOf(n history.Number) string {
	if !n.Exists() {
		return none
	}
	return scaled(float64(n), 1024, "B", "kB", "MB", "GB", "TB")
}

// scaled writes a number with the first unit by which it is short.
func scaled(f, base float64, units ...string) string {
	i := 0
	for i < len(units)-1 && f >= base*0.9995 {
		f /= base
		i++
	}
	digits := 0
	if i > 0 && f < 9.95 {
		digits = 1
	}
	return strconv.FormatFloat(f, 'f', digits, 64) + units[i]
}

// whole writes a number of things.
func whole(n uint64) string {
	if n < 100_000 {
		return strconv.FormatUint(n, 10)
	}
	return rate(history.Number(n))
}

// ticks are the heights of a sparkline.
const ticks = "▁▂▃▄▅▆▇█"

// sparkline draws the last points of a series, from 0 to its greatest. It is blank where there is nothing.
func sparkline(points []history.Number, width int) string {
	points = points[max(0, len(points)-width):]
	top := history.Number(0)
	for _, p := range points {
		if p.Exists() {
			top = max(top, p)
		}
	}
	heights := []rune(ticks)
	var b strings.Builder
	for _, p := range points {
		switch {
		case !p.Exists() || top == 0:
			b.WriteByte(' ')
		default:
			b.WriteRune(heights[int(float64(p/top)*float64(len(heights)-1)+0.5)])
		}
	}
	return b.String()
}

// printable makes text that anybody could have chosen fit for a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if !unicode.IsGraphic(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// count writes how many there are of something.
func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
