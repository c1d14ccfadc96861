package kube

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// logInterval keeps a server that fails and answers in turns from filling the log.
const logInterval = time.Minute

// Status tells how a watch gets on.
type Status struct {
	// Synced tells that everything was read at least once. What was read then stays known when the server is lost.
	Synced bool
	// Err is why the last request failed, or nil as soon as the server answers again.
	Err error
	// Heard is when the server last sent something that could be used. It sends a bookmark every minute.
	Heard time.Time
	// Failures counts the requests and streams that failed, Unusable the objects that were left out since they had
	// another type or no UID.
	Failures, Unusable uint64
}

// monitor keeps the Status of one watch and logs when the server is lost and when it is back.
type monitor struct {
	log *slog.Logger // with the resource

	mu     sync.Mutex
	status Status
	outage outage
	logged time.Time // when an outage was last logged
}

// outage is a series of failures without an answer in between.
type outage struct {
	began    time.Time
	failures int
	logged   bool
}

// heard notes that the server sent something that could be used.
func (m *monitor) heard() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status.Heard = time.Now()
	m.status.Err = nil
	if m.outage.logged {
		m.log.Info("Kubernetes API server answers again", "after", time.Since(m.outage.began).Round(time.Millisecond), "failures", m.outage.failures)
	}
	m.outage = outage{}
}

// failed notes a request or a stream that failed.
func (m *monitor) failed(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.status.Failures++
	m.status.Err = explain(err)
	if m.outage.failures == 0 {
		m.outage.began = now
	}
	m.outage.failures++
	if !m.outage.logged && (m.logged.IsZero() || now.Sub(m.logged) >= logInterval) {
		m.outage.logged, m.logged = true, now
		m.log.Warn("cannot read from the Kubernetes API server, trying again", "err", m.status.Err)
	}
}

func (m *monitor) unusable(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status.Unusable++
	m.log.Debug("left out what the Kubernetes API server sent", "err", err)
}

func (m *monitor) synced() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status.Synced = true
}

func (m *monitor) get() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.status
}

// explain says what to do about errors that do not go away by themselves.
func explain(err error) error {
	switch {
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w (needs a ClusterRole that may list and watch it)", err)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%w (the token or the certificate is not valid, or not any more)", err)
	}
	return err
}
