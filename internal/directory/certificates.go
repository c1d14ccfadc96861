package directory

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// TLSFiles name the PEM files of a server. They are read again when they change, which is how Kubernetes and
// cert-manager renew them.
type TLSFiles struct {
	Certificate, Key string
	// ClientCA signs the certificates of agents, and of nobody else: whoever has one is let in. Empty: agents
	// have tokens.
	ClientCA string
}

// certificates holds what was last read from the files.
type certificates struct {
	files TLSFiles
	log   *slog.Logger

	mu     sync.Mutex
	stamps []stamp
	config *tls.Config
}

// stamp tells whether a file changed. Kubernetes exchanges a link in the path.
type stamp struct {
	modified time.Time
	size     int64
}

// newCertificates reads the files for the first time.
func newCertificates(files TLSFiles, log *slog.Logger) (*certificates, error) {
	c := &certificates{files: files, log: log}
	if err := c.read(); err != nil {
		return nil, err
	}
	return c, nil
}

// serverConfig returns the configuration of a server, which looks at the files for every client.
func (c *certificates) serverConfig() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current(), nil },
	}
}

// current returns what is in the files, or what was when it could be read.
func (c *certificates) current() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.read(); err != nil {
		c.log.Warn("keep the old TLS certificate", "error", err)
	}
	return c.config
}

// read does nothing while the files are the same.
func (c *certificates) read() error {
	stamps, err := c.stat()
	if err != nil || slices.Equal(stamps, c.stamps) {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.files.Certificate, c.files.Key)
	if err != nil {
		return fmt.Errorf("read the TLS certificate %s with the key %s: %w", c.files.Certificate, c.files.Key, err)
	}
	config := &tls.Config{
		MinVersion:   tls.VersionTLS13,
		NextProtos:   []string{"h2"},
		Certificates: []tls.Certificate{pair},
	}
	if c.files.ClientCA != "" {
		pem, err := os.ReadFile(c.files.ClientCA)
		if err != nil {
			return fmt.Errorf("read the agents' certificate authority: %w", err)
		}
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(pem) {
			return errors.New("no certificate in the agents' certificate authority " + c.files.ClientCA)
		}
		// One with a token has none; one with neither is refused in words, by [Server.authenticate].
		config.ClientAuth = tls.VerifyClientCertIfGiven
	}
	c.config, c.stamps = config, stamps
	return nil
}

func (c *certificates) stat() ([]stamp, error) {
	var stamps []stamp
	for _, name := range []string{c.files.Certificate, c.files.Key, c.files.ClientCA} {
		if name == "" {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		stamps = append(stamps, stamp{info.ModTime(), info.Size()})
	}
	return stamps, nil
}
