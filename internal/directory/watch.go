package directory

import (
	"errors"
	"net/netip"
)

// ErrTooMany says that a watch has as many addresses as it may have.
var ErrTooMany = errors.New("too many addresses")

// Answer is who has an address.
type Answer struct {
	Address  netip.AddrPort
	Identity Identity
}

// Watch follows addresses of an index. What it was not asked for yet is kept once per address, so that
// nobody waits for a slow reader. Its methods may be called concurrently.
type Watch struct {
	x       *Index
	limit   int
	topics  map[*topic]struct{}
	pending map[*topic]struct{} // those to be told, nil if there are none: a map never shrinks
	wake    chan struct{}
}

// topic is an address that somebody follows.
type topic struct {
	address  *address
	at       int // its place in address.topics
	port     uint16
	identity Identity // as it was published
	watches  []*Watch
}

// Watch returns a watch of at most limit addresses. The caller closes it.
func (x *Index) Watch(limit int) *Watch {
	return &Watch{x: x, limit: limit, topics: make(map[*topic]struct{}), wake: make(chan struct{}, 1)}
}

// Add follows addresses. Each will be told, also one that is followed already. It fails with
// [ErrTooMany].
func (w *Watch) Add(addresses []netip.AddrPort) error {
	w.x.mu.Lock()
	defer w.x.mu.Unlock()
	for _, a := range addresses {
		t := w.x.topic(netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
		if _, ok := w.topics[t]; !ok {
			if len(w.topics) >= w.limit {
				w.x.releaseTopic(t)
				return ErrTooMany
			}
			w.topics[t] = struct{}{}
			t.watches = append(t.watches, w)
		}
		w.tell(t)
	}
	return nil
}

// Remove follows addresses no longer.
func (w *Watch) Remove(addresses []netip.AddrPort) {
	w.x.mu.Lock()
	defer w.x.mu.Unlock()
	for _, a := range addresses {
		if t := w.x.topics[netip.AddrPortFrom(a.Addr().Unmap(), a.Port())]; t != nil {
			w.drop(t)
		}
	}
}

// Close ends the watch.
func (w *Watch) Close() {
	w.x.mu.Lock()
	defer w.x.mu.Unlock()
	for t := range w.topics {
		w.drop(t)
	}
}

// Len returns how many addresses are followed.
func (w *Watch) Len() int {
	w.x.mu.Lock()
	defer w.x.mu.Unlock()
	return len(w.topics)
}

// Wake returns a channel that receives when [Watch.Take] has something.
func (w *Watch) Wake() <-chan struct{} { return w.wake }

// Take returns up to limit answers that are new. If there are more, it wakes again.
func (w *Watch) Take(limit int) []Answer {
	w.x.mu.Lock()
	defer w.x.mu.Unlock()
	answers := make([]Answer, 0, min(limit, len(w.pending)))
	for t := range w.pending {
		if len(answers) == limit {
			w.signal()
			return answers
		}
		answers = append(answers, Answer{netip.AddrPortFrom(t.address.ip, t.port), t.identity})
		delete(w.pending, t)
	}
	w.pending = nil
	return answers
}

func (w *Watch) drop(t *topic) {
	if _, ok := w.topics[t]; !ok {
		return
	}
	delete(w.topics, t)
	delete(w.pending, t)
	t.watches = without(t.watches, w)
	w.x.releaseTopic(t)
}

func (w *Watch) tell(t *topic) {
	if w.pending == nil {
		w.pending = make(map[*topic]struct{})
	}
	w.pending[t] = struct{}{}
	w.signal()
}

func (w *Watch) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// topic returns that of an address, for a watch to follow.
func (x *Index) topic(ap netip.AddrPort) *topic {
	if t := x.topics[ap]; t != nil {
		return t
	}
	a := x.address(ap.Addr())
	t := &topic{address: a, at: len(a.topics), port: ap.Port(), identity: x.identify(a, ap.Port())}
	a.topics = append(a.topics, t)
	x.topics[ap] = t
	return t
}

// releaseTopic drops a topic that nobody follows.
func (x *Index) releaseTopic(t *topic) {
	if len(t.watches) > 0 {
		return
	}
	a := t.address
	last := a.topics[len(a.topics)-1]
	a.topics[t.at], last.at = last, t.at
	a.topics[len(a.topics)-1] = nil
	a.topics = a.topics[:len(a.topics)-1]
	delete(x.topics, netip.AddrPortFrom(a.ip, t.port))
	x.release(a)
}

// publish tells the watches what changed.
func (x *Index) publish() {
	if x.dirtyNodes {
		for a := range x.nodes {
			x.touch(a)
		}
	}
	for a := range x.dirty {
		for _, t := range a.topics {
			if now := x.identify(a, t.port); now != t.identity {
				t.identity = now
				x.changes++
				for _, w := range t.watches {
					w.tell(t)
				}
			}
		}
	}
	x.dirtyNodes = false
	clear(x.dirty)
}
