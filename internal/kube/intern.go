package kube

import (
	"strings"
	"sync"
)

// maxInterned bounds each of the two generations of an interner. It is several times what a cluster with 20,000 pods
// has in names of namespaces, nodes, workloads and labels.
const maxInterned = 1 << 15

// interner keeps one copy of strings that repeat. It never returns memory of the string that it was given. What was
// not asked for during a whole generation is dropped. Package unique would drop a string as soon as nobody has its handle,
// which is larger than what it saves here. It may be used concurrently.
type interner struct {
	mu       sync.Mutex
	new, old map[string]string
}

func (in *interner) get(s string) string {
	if s == "" {
		return ""
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if own, ok := in.new[s]; ok {
		return own
	}
	own, ok := in.old[s]
	if !ok {
		own = strings.Clone(s)
	}
	if in.new == nil || len(in.new) >= maxInterned {
		in.new, in.old = make(map[string]string), in.new
	}
	in.new[own] = own
	return own
}
