package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// plan is how long everything takes.
type plan struct {
	windows        int // per state
	statistics     int // windows per state with the kernel's statistics of BPF programs
	reload         int // blocks between reloads of the programs
	window, settle time.Duration
	warmUp         time.Duration
	programs       time.Duration
	stretch        time.Duration // of agent CPU, at either rate
	stretches      int
	memoryScrapes  int
	scrapes        int
	idle           time.Duration
	blockWindows   int // with -against
	rounds         int
}

var (
	fullPlan = plan{
		windows: 30, statistics: 10, reload: 5, window: 500 * time.Millisecond, settle: 100 * time.Millisecond, warmUp: 2 * time.Second,
		programs: 5 * time.Second, stretch: 10 * time.Second, stretches: 2, memoryScrapes: 5, scrapes: 20,
		idle: 5 * time.Second, blockWindows: 10, rounds: 3,
	}
	// The brief plan proves that everything works; its figures mean little.
	briefPlan = plan{
		windows: 1, statistics: 1, reload: 12, window: 180 * time.Millisecond, settle: 60 * time.Millisecond, warmUp: 200 * time.Millisecond,
		programs: time.Second / 2, stretch: 2 * time.Second, stretches: 1, memoryScrapes: 2, scrapes: 3,
		idle: time.Second, blockWindows: 3, rounds: 1,
	}
)

// options are the command line.
type options struct {
	only       map[string]bool
	out        string
	brief      bool
	check      bool
	contenders []string
}

// allTraffic stands for all kinds of load in -only.
const allTraffic = "traffic"

// phaseNames are the parts of the benchmark, in order.
var phaseNames = slices.Concat(trafficNames(), encryptedNames(), []string{"programs", "cpu", "memory", "scrape"})

func (b *bench) parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", strings.Join(phaseNames, ","), "parts to run; \"traffic\" stands for those from throughput to unknown")
	flags.StringVar(&o.out, "out", "build/bench.json", "where to write the JSON")
	flags.BoolVar(&o.brief, "brief", false, "prove that it works, in less than a minute; the figures mean little")
	flags.BoolVar(&o.check, "check", false, "fail if a target is missed")
	flags.StringVar(&b.fathom, "fathom", "", "the agent (default: fathom beside this program)")
	flags.IntVar(&b.serverCPU, "server-cpu", anyCPU, "CPU of the server (default: the first)")
	flags.IntVar(&b.clientCPU, "client-cpu", anyCPU, "CPU of the load (default: the second)")
	windows := flags.Int("windows", 0, "windows per state, and a third as many with the kernel's statistics of BPF programs (default 30)")
	length := flags.Duration("window", 0, "length of a window, the first 100ms of which are dropped (default 500ms)")
	seed := flags.Uint64("seed", 0, "seed of the order of the states (default: from the clock)")
	flags.Func("object", "`NAME=FILE`: BPF programs of another version to compare with, as one more state; may be repeated.\n"+
		"scripts/object.sh COMMIT FILE builds them.", b.addObject)
	flags.Func("against", "`NAME=COMMAND`: another agent to compare with; may be repeated.\n"+
		"COMMAND runs in a shell; it writes a line \"ready\" to its standard output when it measures,\n"+
		"and ends on SIGTERM. It is compared, as Fathom's agent is, with no agent, in blocks of windows.",
		func(s string) error {
			o.contenders = append(o.contenders, s)
			_, err := b.parseAgainst(s)
			return err
		})
	if flags.Parse(args) != nil {
		return o, flag.ErrHelp // what is wrong has been said
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("what is %q?", flags.Arg(0))
	}
	b.plan = fullPlan
	if o.brief {
		b.plan = briefPlan
	}
	if *windows > 0 {
		b.plan.windows, b.plan.statistics = *windows, max(1, *windows/3)
	}
	if *length > 0 {
		b.plan.window = *length
	}
	if b.plan.window < 2*b.plan.settle {
		return o, fmt.Errorf("a window of %s: want at least %s", b.plan.window, 2*b.plan.settle)
	}
	if b.fathom == "" {
		executable, err := os.Executable()
		if err != nil {
			return o, err
		}
		b.fathom = filepath.Join(filepath.Dir(executable), "fathom")
	}
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano()) //nolint:gosec // any number will do
	}
	b.report = &report{Seed: *seed}
	for _, x := range b.objects {
		if b.report.Objects == nil {
			b.report.Objects = make(map[string]string)
		}
		b.report.Objects[x.name] = x.path
	}
	stat, err := os.Stderr.Stat()
	b.terminal = err == nil && stat.Mode()&os.ModeCharDevice != 0
	return o, o.pick(*only)
}

func (o *options) pick(only string) error {
	o.only = make(map[string]bool)
	known := make(map[string]bool)
	for _, name := range phaseNames {
		known[name] = true
	}
	for name := range strings.SplitSeq(only, ",") {
		if name == allTraffic {
			for _, one := range trafficNames() {
				o.only[one] = true
			}
			continue
		}
		if name != "" && !known[name] {
			return fmt.Errorf("-only %s: the parts are %s", name, strings.Join(phaseNames, ", "))
		}
		o.only[name] = true
	}
	return nil
}
