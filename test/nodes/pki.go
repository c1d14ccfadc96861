package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// validity of certificates, from an hour ago: clocks may differ.
const validity = 365 * 24 * time.Hour

// identity is who a certificate names.
type identity struct {
	file         string // without extension, in the folder of certificates
	user         string
	group        string
	dns          []string
	ips          []net.IP
	toKubeconfig bool // whether it is a client of the API server, with a file that says how to reach it
}

// identities are all certificates of the cluster. Users and groups: what the API server's RBAC knows them by
// (https://kubernetes.io/docs/setup/best-practices/certificates/).
func (c *cluster) identities() []identity {
	n := c.network()
	all := []identity{
		{
			file: "apiserver", user: "kube-apiserver",
			dns: []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + clusterDomain},
			ips: []net.IP{net.IPv4(127, 0, 0, 1), n.node(1).AsSlice(), n.apiService().AsSlice()},
		},
		{file: "kubelet-client", user: "kube-apiserver-kubelet-client", group: "system:masters"},
		{file: "front-proxy", user: "front-proxy"},
		{file: "admin", user: "admin", group: "system:masters", toKubeconfig: true},
		{file: "controller-manager", user: "system:kube-controller-manager", toKubeconfig: true},
		{file: "scheduler", user: "system:kube-scheduler", toKubeconfig: true},
		{file: "proxy", user: "system:kube-proxy", toKubeconfig: true},
	}
	for i := 1; i <= c.Nodes; i++ {
		name := nodeName(i)
		all = append(all, identity{
			file: name, user: "system:node:" + name, group: "system:nodes", toKubeconfig: true,
			dns: []string{name}, ips: []net.IP{n.node(i).AsSlice()},
		})
	}
	return all
}

// authority signs the cluster's certificates.
type authority struct {
	dir         string
	certificate *x509.Certificate
	key         crypto.Signer
}

// newAuthority makes one, and writes its certificate to ca.crt.
func newAuthority(dir string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &authority{dir: dir, key: key}
	a.certificate = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fathom-nodes"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(validity),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, a.certificate, a.certificate, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	return a, writePEM(a.file("ca.crt"), "CERTIFICATE", der)
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// issue writes a key and a certificate, good for clients and servers, to .key and .crt.
func (a *authority) issue(id identity) error {
	key, err := newKey(a.file(id.file + ".key"))
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: id.user},
		NotBefore: a.certificate.NotBefore, NotAfter: a.certificate.NotAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		DNSNames:    id.dns, IPAddresses: id.ips,
	}
	if id.group != "" {
		template.Subject.Organization = []string{id.group}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("sign %s: %w", id.file, err)
	}
	return writePEM(a.file(id.file+".crt"), "CERTIFICATE", der)
}

func newKey(file string) (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(file, "EC PRIVATE KEY", der)
}

func writePEM(file, kind string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// makeCertificates writes all certificates, the files for clients, and the key for the tokens of service accounts.
func (c *cluster) makeCertificates() error {
	a, err := newAuthority(c.path("pki"))
	if err != nil {
		return err
	}
	if _, err := newKey(a.file("tokens.key")); err != nil {
		return err
	}
	for _, id := range c.identities() {
		if err := a.issue(id); err != nil {
			return err
		}
		if id.toKubeconfig {
			if err := clientcmd.WriteToFile(c.kubeconfig(id.file), c.kubeconfigFile(id.file)); err != nil {
				return err
			}
		}
	}
	return nil
}

// kubeconfig tells a client how to reach the API server, and who it is.
func (c *cluster) kubeconfig(id string) api.Config {
	return api.Config{
		Clusters: map[string]*api.Cluster{c.Name: {
			Server: c.network().server(), CertificateAuthority: c.path("pki", "ca.crt"),
		}},
		AuthInfos: map[string]*api.AuthInfo{id: {
			ClientCertificate: c.path("pki", id+".crt"), ClientKey: c.path("pki", id+".key"),
		}},
		Contexts:       map[string]*api.Context{c.Name: {Cluster: c.Name, AuthInfo: id}},
		CurrentContext: c.Name,
	}
}

func (c *cluster) kubeconfigFile(id string) string { return c.path("kubeconfig", id) }
