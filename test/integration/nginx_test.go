package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// serveNginx answers the usual mix from its configuration.
func serveNginx(t *testing.T) string {
	var locations strings.Builder
	for _, k := range mix {
		if l := fmt.Sprintf("location = %s { return %s; }\n", k.Path, k.Path[1:]); !strings.Contains(locations.String(), l) {
			locations.WriteString(l)
		}
	}
	return runNginx(t, "", locations.String())
}

// serveNginxFiles serves /small and /large with sendfile(2).
func serveNginxFiles(t *testing.T) string {
	dir := t.TempDir()
	for name, size := range map[string]int{"small": 100, "large": 300_000} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat("f", size)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return runNginx(t, "", fmt.Sprintf("location / { root %s; sendfile on; tcp_nopush on; }", dir))
}

// serveNginxProxy passes everything on, over kept connections.
func serveNginxProxy(t *testing.T, behind string) string {
	return runNginx(t, fmt.Sprintf("upstream behind { server %s; keepalive 8; }", behind),
		"location / { proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ''; }")
}

func runNginx(t *testing.T, outside, server string) string { return runNginxOn(t, "", outside, server) }

// runNginxOn listens with these options.
func runNginxOn(t *testing.T, options, outside, server string) string {
	dir, addr := t.TempDir(), freeAddr(t)
	conf := fmt.Sprintf(`daemon off; worker_processes 1; user root; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 256; }
http {
	access_log off; keepalive_requests 1000000; default_type text/plain;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	%[3]s
	server { listen %[2]s %[5]s; %[4]s }
}
`, dir, addr, outside, server, options)
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	serve(t, program(t, "nginx", "/usr/sbin/nginx"), "-c", path, "-p", dir, "-e", filepath.Join(dir, "error.log"))
	waitListening(t, addr)
	return addr
}
