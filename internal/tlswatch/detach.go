package tlswatch

import "time"

// release gives a reference back. The last one starts the grace.
func (t *attachments) release(a *attachment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a.refs--
	if a.refs > 0 || a.dying || t.closed {
		return
	}
	var mine *time.Timer
	mine = time.AfterFunc(t.grace, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if a.idle == mine {
			t.drop(a)
		}
	})
	a.idle = mine
}

// drop detaches in the background, once. Until that is done the file is not attached again: two sets of
// probes would count each call twice. The caller holds the lock.
func (t *attachments) drop(a *attachment) {
	if a.dying {
		return
	}
	a.dying = true
	go func() {
		<-a.ready
		t.detach(a)
		t.mu.Lock()
		delete(t.all, a.of.identity)
		t.mu.Unlock()
		close(a.gone)
	}()
}

func (t *attachments) detach(a *attachment) {
	for _, c := range a.closers {
		if err := c.Close(); err != nil {
			t.faults.count("detach", err)
		}
	}
}

// close detaches everything and waits for it, except for what is being attached to a file that
// does not answer.
func (t *attachments) close() {
	t.mu.Lock()
	t.closed = true
	var waiting []*attachment
	for _, a := range t.all {
		t.drop(a)
		waiting = append(waiting, a)
	}
	t.mu.Unlock()
	deadline := time.After(patience)
	for _, a := range waiting {
		select {
		case <-a.gone:
		case <-deadline:
			t.faults.count("detach", errSlow)
			return
		}
	}
}
