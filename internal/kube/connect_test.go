package kube

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConnect(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const clusters = "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'https://192.0.2.1:6443'}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {token: secret}}]\n"
	for _, tt := range []struct{ name, path, wantErr string }{
		{"file", file("good", clusters+"current-context: x\n"), ""},
		{"no file", filepath.Join(dir, "absent"), "no such file"},
		{"empty", file("empty", ""), "no current context"},
		{"no context", file("no-context", "apiVersion: v1\nkind: Config\n"), "no current context"},
		{"other context", file("other", clusters+"current-context: absent\n"), "absent"},
		{"garbage", file("garbage", "{{{"), "read kubeconfig"},
		{"directory", dir, "read kubeconfig"},
		{"not in a pod", "", "give a kubeconfig"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := Connect(tt.path)
			switch {
			case tt.wantErr == "" && (err != nil || cfg.Host != "https://192.0.2.1:6443" || cfg.BearerToken != "secret"):
				t.Errorf("got %v, %v", cfg, err)
			case tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)):
				t.Errorf("got %v", err)
			case strings.Contains(strings.TrimSpace(errText(err)), "\n"):
				t.Errorf("more than one line: %v", err)
			}
		})
	}
}

func TestConnectAsPodWithoutToken(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1")
	t.Setenv("KUBERNETES_SERVICE_PORT", "443")
	if _, err := Connect(""); err == nil || !strings.Contains(err.Error(), "automountServiceAccountToken") {
		t.Errorf("got %v", err)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
