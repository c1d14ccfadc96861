package http2

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// work is what a client does: requests of several kinds in turn, so many of them at once. It counts what it saw.
type work struct {
	tally

	n, atOnce int
	// hold is after how many requests it says that it is ready, and waits for a line: it counts only what comes behind. If that says
	// "more", it makes as many once more.
	hold int
	// fresh, if there is one, has all behind a line be asked on new connections.
	fresh func() error
	pause time.Duration // behind each request
	kinds []string
}

// parse reads the arguments of a client: flags, of which more can be given, an address, and kinds of requests.
func (w *work) parse(args []string, more func(*flag.FlagSet)) (addr string, err error) {
	flags := flag.NewFlagSet("client", flag.ContinueOnError)
	flags.IntVar(&w.n, "n", 0, "requests; 0: one of each kind")
	flags.IntVar(&w.atOnce, "c", 1, "at once")
	flags.IntVar(&w.hold, "hold", 0, "after so many requests, wait for a line")
	flags.DurationVar(&w.pause, "pause", 0, "behind each request")
	if more != nil {
		more(flags)
	}
	if err := flags.Parse(args); err != nil {
		return "", err
	}
	w.kinds = flags.Args()[1:]
	if w.n == 0 {
		w.n = len(w.kinds)
	}
	return flags.Arg(0), nil
}

// do does the work, one request after the other in each of atOnce goroutines, and prints what was counted.
func (w *work) do(one func(kind string) error) error {
	for word := "more"; w.hold > 0 && word == "more"; {
		err := w.some(w.hold, one)
		if err == nil {
			word, err = line()
		}
		if err == nil && w.fresh != nil {
			err = w.fresh()
		}
		if err != nil {
			return err
		}
		w.mu.Lock()
		w.counts = nil
		w.mu.Unlock()
	}
	err := w.some(w.n, one)
	fmt.Print(&w.tally)
	return err
}

var stdin = bufio.NewReader(os.Stdin)

// line says that the client is ready, and waits for a line.
func line() (string, error) {
	fmt.Println("ready")
	text, err := stdin.ReadString('\n')
	return strings.TrimSpace(text), err
}

func (w *work) some(n int, one func(kind string) error) error {
	todo := make(chan string)
	failed := make(chan error, w.atOnce)
	var workers sync.WaitGroup
	for range w.atOnce {
		workers.Go(func() {
			for kind := range todo {
				if err := one(kind); err != nil {
					failed <- fmt.Errorf("%s: %w", kind, err)
					return
				}
				time.Sleep(w.pause)
			}
		})
	}
	var err error
	for i := 0; i < n && err == nil; i++ {
		select {
		case todo <- w.kinds[i%len(w.kinds)]:
		case err = <-failed:
		}
	}
	close(todo)
	workers.Wait()
	select {
	case err = <-failed:
	default:
	}
	return err
}
