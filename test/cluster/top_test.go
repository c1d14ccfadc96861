package cluster

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fathomhq/fathom/internal/top"
)

// fathomTop runs `fathom top` once, as a user does who has a kubeconfig.
func fathomTop(t *testing.T, program string, args ...string) ([]byte, error) {
	t.Helper()
	cmd := exec.Command(program, append([]string{"top", "--once", "--window=15m"}, args...)...)
	cmd.Stderr = os.Stderr
	return cmd.Output()
}

// `fathom top -n NAMESPACE` shows the pods of a namespace on all nodes, with what each of them did.
func TestTop(t *testing.T) {
	program := filepath.Join(t.TempDir(), "fathom")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/fathom").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c := newChain(t)
	c.loadAll("n=300&connections=4")
	var r top.Report
	c.eventually("fathom top --json", func() (wrong string) {
		out, err := fathomTop(t, program, "--json", "-n", c.namespace)
		if err != nil {
			return err.Error()
		}
		if err := json.Unmarshal(out, &r); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		for _, name := range []string{"front", "middle", "back"} {
			for _, pod := range c.pods(c.namespace, "app="+name) {
				did, err := c.truth(pod)
				if err != nil {
					return err.Error()
				}
				at := slices.IndexFunc(r.Workloads, func(w top.Row) bool { return w.Pod == pod.Name })
				if at < 0 {
					wrong += "\n  there is no row of " + pod.Name
					continue
				}
				row := r.Workloads[at]
				if row.Workload.Workload != name || row.WorkloadKind != "Deployment" || row.Container != "service" || row.Node != pod.Spec.NodeName {
					wrong += fmt.Sprintf("\n  %s is shown as %s/%s, container %s, on %s", pod.Name, row.WorkloadKind, row.Workload.Workload, row.Container, row.Node)
				}
				wrong += equal(pod.Name+" made", int64(row.Client.Count), did.Made)
				if int64(row.Served.Count) < did.Served { // it serves the test's port for control, too
					wrong += equal(pod.Name+" served", int64(row.Served.Count), did.Served)
				}
			}
		}
		return wrong
	})
	if agents := c.pods(c.fathom, "app.kubernetes.io/component=agent"); len(r.Agents) != len(agents) {
		t.Errorf("%d of %d agents were asked", len(r.Agents), len(agents))
	}
	for _, a := range r.Agents {
		if a.Error != "" || a.NotShown != 0 {
			t.Errorf("%+v", a)
		}
	}
	if i := slices.IndexFunc(r.Workloads, func(w top.Row) bool { return w.Namespace != c.namespace }); i >= 0 {
		t.Errorf("shown besides: %+v", r.Workloads[i].Identity)
	}
	table, err := fathomTop(t, program, "-n", c.namespace)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", table)
	for _, name := range []string{"front", "middle", "back"} {
		if n := strings.Count(string(table), name); n < 2 {
			t.Errorf("%d rows of %s", n, name)
		}
	}
}
