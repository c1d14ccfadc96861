package doctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fathomhq/fathom/internal/tlslib"
	"github.com/fathomhq/fathom/internal/tlswatch"
)

func TestProcess(t *testing.T) {
	program := tlswatch.Finding{Name: "/usr/bin/server", Executable: true, Err: &tlslib.Error{Reason: tlslib.NoTLS}}
	library := tlswatch.Finding{Name: "/usr/lib/libssl.so.3", Libraries: []tlslib.Library{{
		Kind: tlslib.OpenSSL, Version: "libssl.so.3", Functions: []tlslib.Function{{Symbol: "SSL_read"}, {Symbol: "SSL_write"}},
	}}}
	for _, c := range []struct {
		name  string
		found tlswatch.Findings
		want  Status
		says  []string
	}{
		{"read", tlswatch.Findings{Opaque: tlswatch.Read, Files: []tlswatch.Finding{program, library}}, OK, []string{"openssl libssl.so.3: SSL_read, SSL_write", "(the program)", "no TLS library"}},
		{"forbidden", tlswatch.Findings{Opaque: tlswatch.NotPermitted, Files: []tlswatch.Finding{{Name: "/root/lib", Err: fs.ErrPermission}}}, Gap, []string{"GAP", "permission denied", "may not be read"}},
		{"hostile names", tlswatch.Findings{Opaque: tlswatch.NoSymbols, Files: []tlswatch.Finding{{Name: "/a\x1b[2J\nok", Err: errors.New("\x1b]0;\a")}}}, Gap, []string{`"/a\x1b[2J\nok"`, `\x1b]0;\a`}},
		{"closed", tlswatch.Findings{Opaque: tlswatch.NotPermitted}, Gap, []string{"GAP", "CAP_SYS_PTRACE"}},
		{"nothing", tlswatch.Findings{Opaque: tlswatch.UnknownLibrary}, Gap, []string{"none that has to do with TLS"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := processReport(4711, "a\x1b", c.found)
			var text, data bytes.Buffer
			if err := errors.Join(p.WriteText(&text), p.WriteJSON(&data)); err != nil {
				t.Fatal(err)
			}
			if p.Status != c.want || p.Summary == "" || !strings.Contains(text.String(), "\n\n"+p.Summary+"\n") ||
				strings.Contains(text.String(), `reason="`+c.found.Opaque.String()+`"`) == (c.want == OK) {
				t.Errorf("status %s, want %s\n%s", p.Status, c.want, &text)
			}
			for _, said := range c.says {
				if !strings.Contains(text.String(), said) {
					t.Errorf("does not say %q:\n%s", said, &text)
				}
			}
			if strings.Contains(text.String(), "\x1b") {
				t.Errorf("a name reaches the terminal: %q", &text)
			}
			var got Process
			if err := json.Unmarshal(data.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(p, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Each reason that a look may come to is told in words.
func TestEveryReasonIsTold(t *testing.T) {
	for o := tlswatch.Read; o <= tlswatch.ELF; o++ {
		if o != tlswatch.Late && opaque[o] == "" {
			t.Errorf("%s is not told", o)
		}
	}
}

// This very process is a Go program, that of no process is none.
func TestExamineProcess(t *testing.T) {
	if p, err := ExamineProcess("/proc", os.Getpid()); err != nil || p.Name != "doctor.test" {
		t.Errorf("%q, %v", p.Name, err)
	}
	if _, err := ExamineProcess(t.TempDir(), 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
