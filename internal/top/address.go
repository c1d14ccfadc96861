package top

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
)

// Address says how to reach one agent.
type Address struct {
	// URL is http://HOST:PORT, https://HOST:PORT, HOST:PORT, or unix:///PATH of a socket that leads to an agent. It may have a path, before which
	// the agent's stand.
	URL string
	// CAFile has the authority of an https agent's certificate; empty: those of the system.
	CAFile string
	// CertFile and KeyFile are what this client shows; empty: nothing.
	CertFile, KeyFile string
	// Username and PasswordFile are for basic authentication; empty: none.
	Username, PasswordFile string
}

// Source returns a source with the one agent.
func (a Address) Source() (*Source, error) {
	base, transport, err := a.transport()
	if err != nil {
		return nil, err
	}
	password := ""
	if a.PasswordFile != "" {
		b, err := os.ReadFile(a.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("read the password: %w", err)
		}
		password = strings.TrimRight(string(b), "\r\n")
	}
	client := &http.Client{Transport: transport, Timeout: patience}
	get := func(ctx context.Context, path string, query url.Values) ([]byte, error) {
		target := base.JoinPath(path)
		target.RawQuery = query.Encode()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
		if err != nil {
			return nil, err
		}
		r.Header.Set("User-Agent", "fathom-top")
		if a.Username != "" {
			r.SetBasicAuth(a.Username, password)
		}
		resp, err := client.Do(r)
		if err != nil {
			return nil, a.explain(err)
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer))
		if err != nil {
			return nil, a.explain(err)
		}
		if resp.StatusCode != http.StatusOK {
			return nil, a.explainStatus(resp.StatusCode, data)
		}
		return data, nil
	}
	endpoint := Endpoint{Get: get}
	return &Source{Name: a.URL, Find: func(context.Context) ([]Endpoint, error) { return []Endpoint{endpoint}, nil }}, nil
}

// transport returns the URL of the agent and how to connect to it.
func (a Address) transport() (*url.URL, *http.Transport, error) {
	text := a.URL
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	base, err := url.Parse(text)
	if err != nil {
		return nil, nil, fmt.Errorf("address %q: %w", a.URL, err)
	}
	t := &http.Transport{MaxIdleConnsPerHost: 2}
	switch {
	case base.Scheme == "unix" && base.Host == "" && base.Path != "":
		path := base.Path
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
		base = &url.URL{Scheme: "http", Host: "localhost"}
	case (base.Scheme == "http" || base.Scheme == "https") && base.Host != "":
		t.Proxy = http.ProxyFromEnvironment // never for this host
	default:
		return nil, nil, fmt.Errorf("address %q is not http://HOST:PORT, https://HOST:PORT or unix:///PATH", a.URL)
	}
	t.TLSClientConfig, err = a.tls()
	return base, t, err
}

func (a Address) tls() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.CAFile != "" {
		pem, err := os.ReadFile(a.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the certificate authority: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate in PEM", a.CAFile)
		}
	}
	if a.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(a.CertFile, a.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the client certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// explain says what to do about a failed request.
func (a Address) explain(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the URL, which is long and known
	}
	advice := ""
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, os.ErrNotExist):
		advice = ": is the agent running there (sudo fathom agent)? Another address goes with --address"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		advice = ": nobody answers in time; is a firewall in between?"
	case isUnknownAuthority(err):
		advice = ": give the authority of the agent's certificate with --ca-file"
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		advice = ": the agent there has no TLS; use http://"
	}
	return fmt.Errorf("cannot reach the agent at %s: %w%s", a.URL, err, advice)
}

func isUnknownAuthority(err error) bool {
	_, ok := errors.AsType[x509.UnknownAuthorityError](err)
	return ok
}

// maxReason bounds what is shown of an answer that is an error.
const maxReason = 200

// explainStatus says what to do about an answer that is none.
func (a Address) explainStatus(status int, body []byte) error {
	reason := strings.Join(strings.Fields(printable(string(body[:min(len(body), maxReason)]))), " ")
	switch {
	case status == http.StatusUnauthorized:
		reason = "it wants a user name and a password: give --username and --password-file"
	case status == http.StatusNotFound && !strings.Contains(reason, "workload"):
		reason = "it has no such page: is it a Fathom agent, and not older than this program?"
	case status == http.StatusBadRequest && strings.Contains(reason, "HTTP request to an HTTPS server"):
		reason = "it wants TLS: use https://"
	}
	return fmt.Errorf("the agent at %s answers %d %s: %s", a.URL, status, http.StatusText(status), reason)
}
