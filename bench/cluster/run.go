package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fathomhq/fathom/internal/peer"
)

const (
	agentsAddress = "127.0.0.1:20778"
	pagesAddress  = "127.0.0.1:20779"
)

func run(ctx context.Context, o options) (err error) {
	if o.kubeconfig == "" {
		return errors.New("there is no KUBECONFIG")
	}
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = -1, 0
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "fathom-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if err := certificate(folder); err != nil {
		return err
	}
	c := &cluster{api: api, o: o}
	defer c.remove()
	began := time.Now()
	if err := c.make(ctx); err != nil {
		return fmt.Errorf("make the cluster: %w", err)
	}
	fmt.Printf("%d nodes, %d pods and %d services were made in %.0f s\n", o.nodes, o.pods, o.services, time.Since(began).Seconds())

	before, err := c.requests(ctx)
	if err != nil {
		return err
	}
	d, err := startDirectory(ctx, o, folder)
	if err != nil {
		return err
	}
	defer d.stop()
	fmt.Printf("the directory was ready after %.1f s\n", d.ready.Seconds())
	d.print("with the cluster")

	agents, err := c.startAgents(ctx, folder)
	if err != nil {
		return err
	}
	took, err := known(ctx, agents)
	if err != nil {
		return err
	}
	fmt.Printf("%d agents with %d addresses each: all known after %.2f s\n", o.agents, o.addresses, took.Seconds())
	d.print("with agents")
	if err := c.changes(ctx, agents); err != nil {
		return err
	}
	d.print("after changes")
	after, err := c.requests(ctx)
	if err != nil {
		return err
	}
	for what, n := range after {
		if n != before[what] {
			fmt.Printf("API server: %+.0f %s\n", n-before[what], what)
		}
	}
	return nil
}

// directory is a process.
type directory struct {
	cmd   *exec.Cmd
	ready time.Duration
}

func startDirectory(ctx context.Context, o options, folder string) (*directory, error) {
	file := func(name string) string { return filepath.Join(folder, name) }
	d := &directory{cmd: exec.CommandContext(ctx, o.fathom, "directory", "--kubeconfig="+o.kubeconfig,
		"--listen-address="+agentsAddress, "--web.listen-address="+pagesAddress, "--log.level=warn",
		"--tls.cert-file="+file("tls.crt"), "--tls.key-file="+file("tls.key"), "--tls.client-ca-file="+file("tls.crt"))}
	d.cmd.Stderr = os.Stderr
	began := time.Now()
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	for ctx.Err() == nil {
		if isReady(ctx) {
			d.ready = time.Since(began)
			return d, nil
		}
		if time.Since(began) > 2*time.Minute {
			d.stop()
			return nil, errors.New("the directory does not become ready")
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil, ctx.Err()
}

func isReady(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+pagesAddress+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func (d *directory) stop() {
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
}

// print prints what the process takes, of proc_pid_status(5) and proc_pid_stat(5).
func (d *directory) print(when string) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.cmd.Process.Pid))
	value := func(name string) float64 {
		for line := range strings.Lines(string(status)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == name+":" {
				kb, _ := strconv.ParseFloat(f[1], 64)
				return kb / 1e3
			}
		}
		return 0
	}
	const ticks = 100 // USER_HZ
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return
	}
	user, _ := strconv.ParseFloat(f[11], 64)
	system, _ := strconv.ParseFloat(f[12], 64)
	fmt.Printf("directory %s: %.0f MB resident, %.0f MB at most, %.1f s of CPU\n", when, value("VmRSS"), value("VmHWM"), (user+system)/ticks)
}

// startAgents starts the clients, and asks for what an agent's node would see: pods all over the cluster.
func (c *cluster) startAgents(ctx context.Context, folder string) ([]*peer.Resolver, error) {
	var agents []*peer.Resolver
	for range c.o.agents {
		r, err := peer.NewResolver(peer.Options{Directory: &peer.Directory{
			Addresses: []string{agentsAddress}, CA: filepath.Join(folder, "tls.crt"), Certificate: filepath.Join(folder, "tls.crt"), Key: filepath.Join(folder, "tls.key"),
		}})
		if err != nil {
			return nil, err
		}
		go r.Run(ctx)
		agents = append(agents, r)
	}
	return agents, c.ask(agents)
}

func (c *cluster) ask(agents []*peer.Resolver) error {
	for i, r := range agents {
		for k := range c.o.addresses {
			a, err := netip.ParseAddr(podIP((i*c.o.addresses + k) % c.o.pods))
			if err != nil {
				return err
			}
			r.Resolve(netip.AddrPortFrom(a, 0))
		}
	}
	return nil
}

// known waits until every agent has had an answer for each address.
func known(ctx context.Context, agents []*peer.Resolver) (time.Duration, error) {
	began := time.Now()
	for ; ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		if !slices.ContainsFunc(agents, func(r *peer.Resolver) bool { s := r.Stats(); return s.Answers < uint64(s.Addresses) }) {
			return time.Since(began), nil
		}
		if time.Since(began) > time.Minute {
			return 0, errors.New("not all addresses become known")
		}
	}
	return 0, ctx.Err()
}

// changes lets addresses change hands that every agent follows, and prints how long that took to arrive.
func (c *cluster) changes(ctx context.Context, agents []*peer.Resolver) error {
	const rounds = 20
	var times []time.Duration
	for i := range rounds {
		ip := fmt.Sprintf("10.250.0.%d", i+1)
		a := netip.AddrPortFrom(netip.MustParseAddr(ip), 0)
		for _, r := range agents {
			r.Resolve(a)
		}
		time.Sleep(300 * time.Millisecond) // answered: nobody has it
		began := time.Now()
		if err := c.pod(ctx, c.o.pods+i, ip); err != nil {
			return err
		}
		want := fmt.Sprintf("app-%d", (c.o.pods+i)%c.o.services)
		for slices.ContainsFunc(agents, func(r *peer.Resolver) bool { return r.Resolve(a).Peer.Workload != want }) {
			if time.Since(began) > 10*time.Second {
				return fmt.Errorf("%s has not reached all agents within 10 s", ip)
			}
			time.Sleep(time.Millisecond)
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	fmt.Printf("a new pod's address at all %d agents, the API server's two writes included: median %d ms, longest %d ms of %d\n",
		len(agents), times[rounds/2].Milliseconds(), times[rounds-1].Milliseconds(), rounds)
	return nil
}

// requests counts those of directories at the API server, by verb and resource.
func (c *cluster) requests(ctx context.Context) (map[string]float64, error) {
	text, err := c.api.CoreV1().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("metrics of the API server: %w", err)
	}
	counts := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		series, value, ok := strings.Cut(strings.TrimSpace(line), "} ")
		if !ok || !strings.HasPrefix(series, "apiserver_longrunning_requests{") {
			continue
		}
		label := func(name string) string {
			_, rest, _ := strings.Cut(series, name+`="`)
			v, _, _ := strings.Cut(rest, `"`)
			return v
		}
		if label("resource") == "pods" || label("resource") == "services" {
			n, _ := strconv.ParseFloat(value, 64)
			counts[label("verb")+" of "+label("resource")+" open"] += n
		}
	}
	return counts, nil
}

// certificate makes one for both ends.
func certificate(folder string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fathom-bench"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{{127, 0, 0, 1}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(folder, "tls.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(filepath.Join(folder, "tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
	)
}
