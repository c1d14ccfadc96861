package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"
)

// Directory is every setting of `fathom directory`, a command of a kong command line like [Agent]. It has no file.
type Directory struct {
	Listen        []string `group:"web" name:"listen-address" env:"FATHOM_DIRECTORY_LISTEN_ADDRESS" default:":10778" placeholder:"HOST:PORT" help:"Address to serve agents on. Default :10778."`
	WebListen     []string `group:"web" name:"web.listen-address" env:"FATHOM_DIRECTORY_WEB_LISTEN_ADDRESS" default:":10779" placeholder:"HOST:PORT" help:"Address to serve metrics and health on. Default :10779."`
	WebConfigFile string   `group:"web" name:"web.config.file" env:"FATHOM_DIRECTORY_WEB_CONFIG_FILE" placeholder:"FILE" help:"TLS and basic authentication for metrics and health, in the format that Prometheus' exporters share."`

	LogLevel  slog.Level `group:"log" name:"log.level" env:"FATHOM_DIRECTORY_LOG_LEVEL" default:"info" placeholder:"LEVEL" help:"Least severe messages to log: debug, info, warn or error. Default info."`
	LogFormat LogFormat  `group:"log" name:"log.format" env:"FATHOM_DIRECTORY_LOG_FORMAT" default:"text" placeholder:"FORMAT" help:"text or json. Default text."`

	Kubeconfig          string        `group:"kubernetes" name:"kubeconfig" env:"FATHOM_DIRECTORY_KUBECONFIG" placeholder:"FILE" help:"How to reach the API server. Default: as a pod does."`
	CertFile            string        `group:"kubernetes" name:"tls.cert-file" env:"FATHOM_DIRECTORY_TLS_CERT_FILE" placeholder:"FILE" help:"Certificate to show to agents. Read again when it changes."`
	KeyFile             string        `group:"kubernetes" name:"tls.key-file" env:"FATHOM_DIRECTORY_TLS_KEY_FILE" placeholder:"FILE" help:"Its key."`
	ClientCAFile        string        `group:"kubernetes" name:"tls.client-ca-file" env:"FATHOM_DIRECTORY_TLS_CLIENT_CA_FILE" placeholder:"FILE" help:"Authority of the agents' certificates: whoever has one of its is let in. It should sign nothing else."`
	TokenAudience       string        `group:"kubernetes" name:"token-audience" env:"FATHOM_DIRECTORY_TOKEN_AUDIENCE" placeholder:"NAME" help:"Let agents in with tokens for this audience."`
	TokenServiceAccount string        `group:"kubernetes" name:"token-service-account" env:"FATHOM_DIRECTORY_TOKEN_SERVICE_ACCOUNT" placeholder:"NAMESPACE:NAME" help:"The service account whose tokens are good."`
	GracePeriod         time.Duration `group:"kubernetes" name:"grace-period" env:"FATHOM_DIRECTORY_GRACE_PERIOD" default:"30s" placeholder:"TIME" help:"How long the address of a deleted pod stays its own, unless another pod gets it. Default 30s."`
	MaxAgents           int           `group:"limits" name:"max-agents" env:"FATHOM_DIRECTORY_MAX_AGENTS" default:"5000" placeholder:"N" help:"Agents served at a time. Default 5000."`
}

// Validate is called by kong.
func (d *Directory) Validate() error {
	for flag, addresses := range map[string][]string{"listen-address": d.Listen, "web.listen-address": d.WebListen} {
		for _, address := range addresses {
			if _, _, err := net.SplitHostPort(address); err != nil {
				return fmt.Errorf("--%s: %q is not HOST:PORT, as :10778", flag, address)
			}
		}
	}
	if d.CertFile == "" || d.KeyFile == "" {
		return errors.New("agents reach the directory by TLS: give --tls.cert-file and --tls.key-file")
	}
	if (d.TokenAudience == "") != (d.TokenServiceAccount == "") {
		return errors.New("--token-audience and --token-service-account go together")
	}
	if d.TokenServiceAccount != "" && strings.Count(d.TokenServiceAccount, ":") != 1 {
		return fmt.Errorf("--token-service-account: %q is not NAMESPACE:NAME", d.TokenServiceAccount)
	}
	if d.TokenAudience == "" && d.ClientCAFile == "" {
		return errors.New("no agent could connect: give --token-audience and --token-service-account, or --tls.client-ca-file")
	}
	if p := checkWebConfig(d.WebConfigFile); p != nil {
		return fmt.Errorf("--%s: %s", p.flag, p.text)
	}
	return nil
}
