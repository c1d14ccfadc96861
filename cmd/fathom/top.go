package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/fathomhq/fathom/internal/history"
	"github.com/fathomhq/fathom/internal/top"
)

// topCommand are the flags of `fathom top`.
type topCommand struct {
	Once     bool          `help:"Print a table once, and end."`
	JSON     bool          `name:"json" help:"Print JSON: with --once one document, otherwise one per line and interval."`
	Window   time.Duration `default:"1m" placeholder:"TIME" help:"Part of the past that the numbers are of, 5s to 15m. Default 1m."`
	Interval time.Duration `default:"5s" placeholder:"TIME" help:"Time between two looks. Agents have new numbers every 5s, the default."`
	Sort     string        `default:"${top_sort}" placeholder:"COLUMN" help:"Column to sort by: ${top_columns}. With - before it, in the opposite order (--sort=-p99). Default ${top_sort}."`

	Address      string `default:"http://127.0.0.1:10777" placeholder:"URL" help:"Where the agent answers: http://HOST:PORT, https://HOST:PORT or unix:///PATH. Default http://127.0.0.1:10777."`
	CAFile       string `name:"ca-file" placeholder:"FILE" help:"Certificate authority of the agent's certificate. Default: those of the system."`
	CertFile     string `placeholder:"FILE" help:"Certificate of this client, if the agent asks for one."`
	KeyFile      string `placeholder:"FILE" help:"Its key."`
	Username     string `placeholder:"NAME" help:"User name, if the agent asks for one."`
	PasswordFile string `placeholder:"FILE" help:"File with the password."`

	Namespace      string `short:"n" placeholder:"NAMESPACE" help:"Workloads of this namespace on all nodes of the cluster of the kubeconfig."`
	AllNamespaces  bool   `short:"A" help:"All workloads on all nodes of the cluster."`
	Kubeconfig     string `placeholder:"FILE" help:"How to reach the API server. Default: as kubectl does."`
	Context        string `placeholder:"NAME" help:"Context of the kubeconfig. Default: the current one."`
	AgentNamespace string `placeholder:"NAMESPACE" help:"Where the agents run. Default: looked for in all namespaces, which needs the right to."`
}

// topVars are what its flags mention.
func topVars() map[string]string {
	return map[string]string{"top_sort": top.DefaultSort, "top_columns": strings.Join(top.Columns(), ", ")}
}

// Help is shown by `fathom top --help`, above the flags.
func (*topCommand) Help() string {
	return `Shows what each workload does now: requests, errors, latency, queueing, retransmits; enter on one of them shows
its latency over time and its peers, c what cannot be read and why. The numbers are those of /metrics, from the last 15 minutes
that an agent keeps. It needs no privileges.

Examples:

    fathom top
    fathom top --address=https://node1.example.org:10777 --ca-file=ca.crt --username=ops --password-file=password
    fathom top -n shop                      the namespace shop, on all nodes of the cluster
    fathom top --once --sort=p99
    fathom top --once --json | jq '.workloads[] | select(.queue_ratio > 0.5 and .served.latency.p99 > 0.1) | .workload'

In a cluster it reaches the agents through the API server, which takes the rights to list pods and to get pods/proxy.

Exit status: 0 when asked to end, 1 if no agent answers (with --once), 2 if the command line is wrong.`
}

// Validate is called by kong.
func (c *topCommand) Validate() error {
	if err := top.CheckSort(c.Sort); err != nil {
		return fmt.Errorf("--sort: %w", err)
	}
	switch {
	case c.Window < history.Interval || c.Window > history.Span:
		return fmt.Errorf("--window: %s is not between %s and %s", c.Window, history.Interval, history.Span)
	case c.Interval < time.Second:
		return fmt.Errorf("--interval: %s is less than 1s", c.Interval)
	case c.Namespace != "" && c.AllNamespaces:
		return errors.New("--namespace and --all-namespaces exclude each other")
	case (c.CertFile == "") != (c.KeyFile == ""):
		return errors.New("--cert-file goes with --key-file: give both or neither")
	case (c.Username == "") != (c.PasswordFile == ""):
		return errors.New("--username goes with --password-file: give both or neither")
	case !c.cluster() && (c.Kubeconfig != "" || c.Context != "" || c.AgentNamespace != ""):
		return errors.New("--kubeconfig, --context and --agent-namespace go with --namespace or --all-namespaces")
	}
	return nil
}

func (c *topCommand) cluster() bool { return c.Namespace != "" || c.AllNamespaces }

func (c *topCommand) source() (*top.Source, error) {
	if c.cluster() {
		return top.Cluster{Kubeconfig: c.Kubeconfig, Context: c.Context, AgentNamespace: c.AgentNamespace, Namespace: c.Namespace}.Source()
	}
	return top.Address{
		URL: c.Address, CAFile: c.CAFile, CertFile: c.CertFile, KeyFile: c.KeyFile, Username: c.Username, PasswordFile: c.PasswordFile,
	}.Source()
}

// Run is called by kong.
func (c *topCommand) Run(ctx context.Context, out output) error {
	source, err := c.source()
	if err != nil {
		return err
	}
	file, ok := out.stdout.(*os.File)
	return top.Run(ctx, top.Options{
		Source: source, Window: c.Window, Interval: c.Interval, Sort: c.Sort, Once: c.Once, JSON: c.JSON,
		Terminal: ok && term.IsTerminal(int(file.Fd())), //nolint:gosec // a file descriptor
		Input:    os.Stdin, Output: out.stdout, Errors: out.stderr,
	})
}
