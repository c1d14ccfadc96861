package kernel

import (
	"testing"
	"time"
)

func TestOptions(t *testing.T) {
	many := make([]time.Duration, maxClassicBounds+1)
	for i := range many {
		many[i] = time.Duration(i+1) * time.Second
	}
	tests := []struct {
		name    string
		options Options
		ok      bool
	}{
		{"zero value", Options{}, true},
		{"own buckets", Options{Buckets: []time.Duration{1, 2}}, true},
		{"no buckets", Options{Buckets: []time.Duration{}}, true},
		{"most buckets", Options{Buckets: many[:maxClassicBounds]}, true},
		{"too many buckets", Options{Buckets: many}, false},
		{"bucket of zero", Options{Buckets: []time.Duration{0, 1}}, false},
		{"buckets that fall", Options{Buckets: []time.Duration{2, 1}}, false},
		{"bucket twice", Options{Buckets: []time.Duration{1, 1}}, false},
		{"negative settling", Options{SettleAfter: -1}, false},
		{"negative asking", Options{TLSAskAgain: -1}, false},
		{"negative limit", Options{MaxSeries: -1}, false},
		{"huge limit", Options{MaxConnections: 1 << 30}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.options.withDefaults()
			if (err == nil) != test.ok {
				t.Fatalf("error %v, want none: %t", err, test.ok)
			}
			if test.ok && (got.MaxConnections == 0 || got.SettleAfter == 0 || got.Buckets == nil) {
				t.Errorf("defaults are missing: %+v", got)
			}
		})
	}
}

func TestNames(t *testing.T) {
	seen := make(map[string]bool)
	for i, name := range lostNames() {
		fault := bpfLost(i) == bpfLostLOST_UNREADABLE // FAULT_NONE
		if name == "" && !fault || seen[name] {
			t.Errorf("reason %d of what is lost is called %q", i, name)
		}
		seen[name] = true
	}
	for reason := range bpfCoverageReasonCOVERAGE_COUNT {
		fault, opaque := reason-bpfCoverageReasonCOVERAGE_UNREADABLE, reason-bpfCoverageReasonCOVERAGE_OPAQUE
		used := reason != bpfCoverageReasonCOVERAGE_NONE && (reason < bpfCoverageReasonCOVERAGE_UNREADABLE ||
			fault > 0 && fault < bpfCoverageReason(bpfBufferFaultFAULT_COUNT) || opaque < bpfCoverageReason(bpfOpaqueOPAQUE_COUNT) ||
			reason >= bpfCoverageReasonCOVERAGE_UNTAPPED)
		if got := coverageReason(reason); (got != "") != used {
			t.Errorf("coverage reason %d is called %q", reason, got)
		}
	}
}
