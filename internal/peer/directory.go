package peer

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// Directory is where a directory is, and how to show that one is an agent. Its files are read again at each
// connection: all of them get renewed.
type Directory struct {
	// Addresses are HOST:PORT. Every IP address of every host is another replica.
	Addresses []string
	// CA is a file with the authorities of the directory's certificate; empty: those of the system.
	CA string
	// ServerName is the name in the directory's certificate (default: the host).
	ServerName string
	// Certificate and Key are the files of the agent's certificate; empty: it has none.
	Certificate, Key string
	// Token is the file with the agent's token; empty: it has none.
	Token string
	// Insecure is for tests: no TLS, no certificate, no token.
	Insecure bool
}

func (d *Directory) check() error {
	if len(d.Addresses) == 0 {
		return errors.New("a directory needs an address, as fathom-directory.fathom.svc:10778")
	}
	for _, a := range d.Addresses {
		if _, _, err := net.SplitHostPort(a); err != nil {
			return fmt.Errorf("directory %q is not HOST:PORT, as fathom-directory.fathom.svc:10778", a)
		}
	}
	if (d.Certificate == "") != (d.Key == "") {
		return errors.New("a certificate for the directory needs its key, and the key its certificate")
	}
	if d.Insecure && (d.Token != "" || d.Certificate != "") {
		return errors.New("a token or a certificate is not sent to a directory without TLS")
	}
	return nil
}

// replica is one address of the directory.
type replica struct {
	address netip.AddrPort
	host    string
}

// replicas looks all addresses up and returns them in random order, with the one that was lost last.
func (d *Directory) replicas(ctx context.Context, lost replica) ([]replica, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var found []replica
	var errs []error
	seen := make(map[netip.AddrPort]bool)
	for _, a := range d.Addresses {
		host, service, _ := net.SplitHostPort(a) // checked
		port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, ip := range ips {
			r := replica{netip.AddrPortFrom(ip.Unmap(), uint16(port)), host} //nolint:gosec // a port
			if !seen[r.address] {
				seen[r.address] = true
				found = append(found, r)
			}
		}
	}
	rand.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	for i, r := range found {
		if last := len(found) - 1; r == lost {
			found[i], found[last] = found[last], found[i]
			break
		}
	}
	if len(found) == 0 {
		return nil, errors.Join(errs...)
	}
	return found, nil
}

// credentials reads the files for a connection to a host.
func (d *Directory) credentials(host string) (credentials.TransportCredentials, error) {
	if d.Insecure {
		return insecure.NewCredentials(), nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS13, ServerName: host}
	if d.ServerName != "" {
		config.ServerName = d.ServerName
	}
	if d.CA != "" {
		pem, err := os.ReadFile(d.CA)
		if err != nil {
			return nil, fmt.Errorf("read the directory's certificate authority: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("no certificate in the directory's certificate authority %s", d.CA)
		}
	}
	if d.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(d.Certificate, d.Key)
		if err != nil {
			return nil, fmt.Errorf("read the certificate for the directory: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return credentials.NewTLS(config), nil
}

// token reads the agent's token; empty if it has none.
func (d *Directory) token() (string, error) {
	if d.Token == "" {
		return "", nil
	}
	text, err := os.ReadFile(d.Token)
	if err != nil {
		return "", fmt.Errorf("read the token for the directory: %w", err)
	}
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return "", fmt.Errorf("the token for the directory in %s is empty", d.Token)
	}
	return string(text), nil
}
