package directory

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

// ErrToken says that a token is not one of the agents'.
var ErrToken = errors.New("the token is not that of an agent")

const (
	// cacheFor is how long a verdict on a token serves: agents that reconnect ask the API server once, and one
	// whose service account was deleted gets in for a minute more.
	cacheFor = time.Minute
	// maxCached bounds the verdicts. There are as many tokens as agents.
	maxCached = 16 << 10
	// maxReviews bounds the reviews at a time, so that nobody makes the directory load the API server.
	maxReviews    = 16
	reviewTimeout = 10 * time.Second
)

// TokenReviewer tells whose a bearer token is.
type TokenReviewer interface {
	// Review returns the user name of the token, which must be for the audience: [ErrToken] if it is not good,
	// another error if nobody knows.
	Review(ctx context.Context, token, audience string) (user string, err error)
}

// Tokens are what is asked of tokens.
type Tokens struct {
	Reviewer TokenReviewer
	Audience string
	// User is the one who may connect, as system:serviceaccount:NAMESPACE:NAME.
	User string
}

// tokens checks tokens, and remembers.
type tokens struct {
	Tokens
	now   func() time.Time
	slots chan struct{}

	mu    sync.Mutex
	known map[[sha256.Size]byte]verdict
}

type verdict struct {
	err   error // nil or ErrToken
	until time.Time
}

func newTokens(t Tokens) *tokens {
	return &tokens{
		Tokens: t, now: time.Now, slots: make(chan struct{}, maxReviews),
		known: make(map[[sha256.Size]byte]verdict),
	}
}

// check returns nil if the token is an agent's, [ErrToken] if not, or why nobody knows.
func (t *tokens) check(ctx context.Context, token string) error {
	key := sha256.Sum256([]byte(token)) // tokens do not stay in memory
	if v, ok := t.cached(key); ok {
		return v.err
	}
	ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	user, err := t.Reviewer.Review(ctx, token, t.Audience)
	if err == nil && user != t.User {
		err = ErrToken
	}
	if err == nil || errors.Is(err, ErrToken) {
		t.remember(key, err)
	}
	return err
}

func (t *tokens) cached(key [sha256.Size]byte) (verdict, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, ok := t.known[key]
	return v, ok && t.now().Before(v.until)
}

func (t *tokens) remember(key [sha256.Size]byte, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if len(t.known) >= maxCached {
		for k, v := range t.known {
			if !now.Before(v.until) {
				delete(t.known, k)
			}
		}
	}
	if len(t.known) >= maxCached {
		clear(t.known)
	}
	t.known[key] = verdict{err, now.Add(cacheFor)}
}
