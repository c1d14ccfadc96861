package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/client-go/rest"
)

const agentUser = "system:serviceaccount:fathom:fathom-agent"

// reviewer knows tokens by their users.
type reviewer struct {
	mu    sync.Mutex
	users map[string]string
	err   error
	asked int
}

func (r *reviewer) Review(_ context.Context, token, audience string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if r.err != nil {
		return "", r.err
	}
	if user, ok := r.users[token]; ok && audience == "fathom-directory" {
		return user, nil
	}
	return "", ErrToken
}

func TestTokensRemember(t *testing.T) {
	r := &reviewer{users: map[string]string{"good": agentUser, "other": "system:serviceaccount:fathom:other"}}
	tokens := newTokens(Tokens{Reviewer: r, Audience: "fathom-directory", User: agentUser})
	now := time.Unix(1000, 0)
	tokens.now = func() time.Time { return now }
	check := func(token string, want error, asked int) {
		t.Helper()
		if err := tokens.check(t.Context(), token); !errors.Is(err, want) || (err == nil) != (want == nil) || r.asked != asked {
			t.Errorf("%s: %v after %d reviews, want %v after %d", token, err, r.asked, want, asked)
		}
	}
	check("good", nil, 1)
	check("good", nil, 1)
	check("other", ErrToken, 2)
	check("bad", ErrToken, 3)
	check("bad", ErrToken, 3)
	now = now.Add(cacheFor)
	delete(r.users, "good")
	check("good", ErrToken, 4)
	r.err = errors.New("no API server")
	check("new", r.err, 5)
	check("new", r.err, 6) // not remembered
	check("good", ErrToken, 6)
}

func TestTokensBounded(t *testing.T) {
	tokens := newTokens(Tokens{Reviewer: &reviewer{}, User: agentUser})
	now := time.Unix(1000, 0)
	tokens.now = func() time.Time { return now }
	for i := range 2*maxCached + 10 {
		_ = tokens.check(t.Context(), fmt.Sprint(i))
		if len(tokens.known) > maxCached {
			t.Fatalf("%d verdicts", len(tokens.known))
		}
	}
}

func TestAPIReviewer(t *testing.T) {
	status := authenticationv1.TokenReviewStatus{}
	code := http.StatusCreated
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review authenticationv1.TokenReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			t.Error(err)
		}
		if r.Method != http.MethodPost || r.URL.Path != "/apis/authentication.k8s.io/v1/tokenreviews" ||
			review.Spec.Token != "secret" || len(review.Spec.Audiences) != 1 || review.Spec.Audiences[0] != "us" {
			t.Errorf("%s %s %+v", r.Method, r.URL, review)
		}
		review.Status = status
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(review)
	}))
	defer server.Close()
	r, err := NewAPIReviewer(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	user := authenticationv1.UserInfo{Username: agentUser}
	for name, test := range map[string]struct {
		status authenticationv1.TokenReviewStatus
		code   int
		user   string
		bad    bool // ErrToken
	}{
		"good":             {authenticationv1.TokenReviewStatus{Authenticated: true, User: user, Audiences: []string{"us"}}, 201, agentUser, false},
		"not known":        {authenticationv1.TokenReviewStatus{Error: "expired"}, 201, "", true},
		"another audience": {authenticationv1.TokenReviewStatus{Authenticated: true, User: user, Audiences: []string{"them"}}, 201, "", true},
		"no audience":      {authenticationv1.TokenReviewStatus{Authenticated: true, User: user}, 201, "", true},
		"forbidden":        {authenticationv1.TokenReviewStatus{}, 403, "", false},
		"unavailable":      {authenticationv1.TokenReviewStatus{}, 503, "", false},
	} {
		status, code = test.status, test.code
		got, err := r.Review(t.Context(), "secret", "us")
		if got != test.user || (err == nil) != (test.user != "") || errors.Is(err, ErrToken) != test.bad {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells the token", name)
		}
	}
}
