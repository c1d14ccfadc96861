package metrics

import "time"

// encoder writes one exposition format. Series belong to the family begun last; a
// family without series is left out. An error of the underlying writer shows
// at end.
type encoder interface {
	begin(d *Desc)
	// number writes one value. extra holds a label beside the series' own, or
	// nothing; created is used for counters only and may be zero.
	number(l labels, extra labelSet, v number, created time.Time)
	histogram(l labels, s *sample, lay *layout, created time.Time)
	end() error
}

// labels are those of a series: of its workload, if it belongs to one, and its own.
type labels struct{ workload, own labelSet }

func (s *series) allLabels() labels { return labels{s.group.labels, s.labels} }

// number is an integer exactly, or a fraction.
type number struct {
	whole    uint64
	fraction float64
}

func whole(n uint64) number                { return number{whole: n} }
func seconds(d time.Duration) number       { return number{fraction: d.Seconds()} }
func (n number) float() float64            { return float64(n.whole) + n.fraction }
func secondsOf(nanoseconds uint64) float64 { return float64(nanoseconds) / 1e9 }
