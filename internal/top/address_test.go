package top

import (
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// answers is an agent that wants a password.
func answers(w http.ResponseWriter, r *http.Request) {
	if user, password, ok := r.BasicAuth(); r.URL.Path != "/api/v1/workloads" {
		http.NotFound(w, r)
	} else if !ok || user != "ops" || password != "secret" {
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
	} else {
		_, _ = io.WriteString(w, `{"time": 7, "node": "n1", "workloads": [{"id": "a"}]}`)
	}
}

func TestAddress(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := httptest.NewServer(http.HandlerFunc(answers))
	defer plain.Close()
	secure := httptest.NewUnstartedServer(http.HandlerFunc(answers))
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	secure.StartTLS()
	defer secure.Close()
	socket := filepath.Join(dir, "agent.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	local := &http.Server{Handler: http.HandlerFunc(answers)}
	go func() { _ = local.Serve(l) }()
	defer local.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	silent.Close()

	password, ca := file("password", "secret\n"), file("ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})))
	garbage := file("garbage", "?")
	for name, c := range map[string]struct {
		a    Address
		want string // of the error; empty: it works
	}{
		"http":             {Address{URL: plain.URL, Username: "ops", PasswordFile: password}, ""},
		"host and port":    {Address{URL: strings.TrimPrefix(plain.URL, "http://"), Username: "ops", PasswordFile: password}, ""},
		"https":            {Address{URL: secure.URL, CAFile: ca, Username: "ops", PasswordFile: password}, ""},
		"unix":             {Address{URL: "unix://" + socket, Username: "ops", PasswordFile: password}, ""},
		"no password":      {Address{URL: plain.URL}, "401 Unauthorized: it wants a user name and a password: give --username"},
		"other page":       {Address{URL: plain.URL + "/prefix", Username: "ops", PasswordFile: password}, "404 Not Found: it has no such page: is it a Fathom agent"},
		"unknown CA":       {Address{URL: secure.URL}, "--ca-file"},
		"http to https":    {Address{URL: strings.Replace(secure.URL, "https", "http", 1)}, "it wants TLS: use https://"},
		"https to http":    {Address{URL: strings.Replace(plain.URL, "http", "https", 1)}, "use http://"},
		"nobody":           {Address{URL: silent.Addr().String()}, "is the agent running there"},
		"no socket":        {Address{URL: "unix:///nowhere/agent.sock"}, "is the agent running there"},
		"other scheme":     {Address{URL: "ftp://a"}, "is not http://HOST:PORT"},
		"no URL":           {Address{URL: "http://a b"}, "invalid character"},
		"no password file": {Address{URL: plain.URL, PasswordFile: dir + "/none"}, "read the password"},
		"no CA file":       {Address{URL: secure.URL, CAFile: dir + "/none"}, "read the certificate authority"},
		"no CA":            {Address{URL: secure.URL, CAFile: garbage}, "has no certificate in PEM"},
		"no certificate":   {Address{URL: secure.URL, CertFile: garbage, KeyFile: garbage}, "read the client certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			source, err := c.a.Source()
			var r *Report
			if err == nil {
				r, err = source.Overview(t.Context(), time.Minute)
			}
			switch {
			case c.want == "" && (err != nil || len(r.Workloads) != 1 || r.Workloads[0].Node != "n1" || r.Time != 7):
				t.Errorf("%+v, %v", r, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}
