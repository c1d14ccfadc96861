package kernel

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

func reqs() float64 {
	r, err := http.Get("http://127.0.0.1:18080/s")
	if err != nil {
		panic(err)
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	f := strings.Fields(strings.Split(string(b), "\n")[2])
	n, _ := strconv.ParseFloat(f[2], 64)
	return n
}

func TestQuick(t *testing.T) {
	if os.Getenv("QUICK") == "" {
		t.Skip()
	}
	ng := exec.Command("taskset", "-c", "0", "nginx", "-c", "/tmp/ng/nginx.conf")
	ng.Start()
	defer ng.Process.Kill()
	time.Sleep(300 * time.Millisecond)
	n, _ := strconv.Atoi(os.Getenv("QUICK"))
	wrk := exec.Command("taskset", "-c", "1", "wrk", "-t1", "-c32", "-d", fmt.Sprint(n*4*3/10+8), "http://127.0.0.1:18080/")
	wrk.Start()
	defer wrk.Process.Kill()
	full, err := Open(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	full.Detach()
	empty, err := Open(t.Context(), Options{Empty: true})
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	empty.Detach()
	window := func(k *Kernel) float64 {
		if k != nil {
			k.Attach()
			defer k.Detach()
		}
		time.Sleep(50 * time.Millisecond)
		a := reqs()
		s := time.Now()
		time.Sleep(250 * time.Millisecond)
		return (reqs() - a) / time.Since(s).Seconds()
	}
	var fe, fn, en []float64
	var sum [3]float64
	for range n {
		a, b, c, d := window(nil), window(full), window(empty), window(nil)
		a = (a + d) / 2
		fe = append(fe, b/c)
		fn = append(fn, b/a)
		en = append(en, c/a)
		sum[0] += a
		sum[1] += b
		sum[2] += c
	}
	med := func(x []float64) string {
		sort.Float64s(x)
		return fmt.Sprintf("%.3f [%.3f %.3f]", x[len(x)/2], x[len(x)/4], x[len(x)*3/4])
	}
	fmt.Println("none", sum[0]/float64(n), "full/empty", med(fe), "full/none", med(fn), "empty/none", med(en))
	full.Attach()
	st, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		t.Fatal(err)
	}
	a := reqs()
	type rs struct{ n, ns uint64 }
	before := map[string]rs{}
	for _, tp := range taps {
		s, _ := tp.program(&full.objects).Stats()
		before[tp.name] = rs{s.RunCount, uint64(s.Runtime)}
	}
	time.Sleep(time.Second)
	total := 0.0
	r := reqs() - a
	for _, tp := range taps {
		s, _ := tp.program(&full.objects).Stats()
		dn, dt := s.RunCount-before[tp.name].n, uint64(s.Runtime)-before[tp.name].ns
		if dn > 0 {
			fmt.Printf("%s %.2f per req, %d ns\n", tp.name, float64(dn)/r, dt/dn)
			total += float64(dt) / r
		}
	}
	st.Close()
	fmt.Printf("%.0f ns per request\n", total)
	s, _ := full.Snapshot()
	for _, p := range s.Programs {
		if p.Runs > 0 {
			fmt.Println(p.Name, p.Runs, p.Time/time.Duration(p.Runs))
		}
	}
	for _, l := range s.Lost {
		if l.Count > 0 {
			fmt.Println(l)
		}
	}
	for _, l := range s.LostBytes {
		if l.Bytes > 0 {
			fmt.Println(l)
		}
	}
	for _, x := range s.HTTP {
		fmt.Println(s.Workloads[x.Workload].Command, x.Role, x.Method, x.Status, x.Duration.Count(), x.Duration.Sum/time.Duration(x.Duration.Count()))
	}
}
