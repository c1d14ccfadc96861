package metrics

import (
	"iter"
	"net/netip"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/fathomhq/fathom/internal/workload"
)

// Label values that stand for what found no room or is not known.
const (
	overflowValue = "overflow"
	unknownValue  = "unknown"
)

// labelSet holds labels as both formats write them.
type labelSet struct {
	text  []byte // `a="x",b="y"`
	proto []byte // repeated io.prometheus.client.Metric.label
}

// newLabels encodes names and values in turn.
func newLabels(pairs ...string) labelSet {
	var l labelSet
	for i := 0; i+1 < len(pairs); i += 2 {
		name, value := pairs[i], strings.ToValidUTF8(pairs[i+1], "\uFFFD")
		if i > 0 {
			l.text = append(l.text, ',')
		}
		l.text = append(l.text, name...)
		l.text = append(l.text, `="`...)
		l.text = append(l.text, valueEscaper.Replace(value)...)
		l.text = append(l.text, '"')

		pair := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), name)
		pair = protowire.AppendString(protowire.AppendTag(pair, 2, protowire.BytesType), value)
		l.proto = protowire.AppendBytes(protowire.AppendTag(l.proto, 1, protowire.BytesType), pair)
	}
	return l
}

// valueEscaper does what the text format asks for in label values.
var valueEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

func (e *Exporter) workloadLabels(l workload.Labels) labelSet {
	pairs := []string{
		"namespace", l.Namespace,
		"workload", l.Workload,
		"workload_kind", l.Kind,
		"pod", l.Pod,
		"container", l.Container,
	}
	if e.node != "" {
		pairs = append(pairs, "node", e.node)
	}
	for name, value := range e.chosenLabels(&l) {
		pairs = append(pairs, name, value)
	}
	return newLabels(pairs...)
}

// chosenLabels yields the names and values of the labels that the user chose.
func (e *Exporter) chosenLabels(l *workload.Labels) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		rest := l.Chosen
		for _, name := range e.chosen {
			var value string
			value, rest, _ = strings.Cut(rest, "\x00")
			if !yield(name, value) {
				return
			}
		}
	}
}

// peerValue is the value of the `peer` label on a plain host.
func peerValue(peer netip.AddrPort, overflow bool) string {
	switch {
	case overflow:
		return overflowValue
	case !peer.IsValid():
		return unknownValue
	case peer.Port() == 0:
		return peer.Addr().String()
	}
	return peer.String()
}
