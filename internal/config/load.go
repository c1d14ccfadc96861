package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/fathomhq/fathom/internal/kernel"
)

// Options are what a kong parser of [Agent] needs: the interpolated defaults and
// the titles of the groups of flags.
func Options() []kong.Option {
	return []kong.Option{
		kong.Vars{"buckets": Buckets(kernel.DefaultBuckets()).String()},
		kong.ExplicitGroups([]kong.Group{
			{Key: "config", Title: "Configuration file:"},
			{Key: "web", Title: "Endpoint:"},
			{Key: "log", Title: "Log:"},
			{Key: "measure", Title: "What is measured:"},
			{Key: "kubernetes", Title: "Kubernetes:"},
			{Key: "limits", Title: "Limits (what finds no room is counted, never silently dropped):"},
		}),
	}
}

// AfterApply is called by kong when flags and environment have been read. It adds the
// file's settings where neither of them has one, and checks the whole.
func (a *Agent) AfterApply(ctx *kong.Context) error {
	l := loader{flags: make(map[string]*kong.Flag), from: make(map[string]string)}
	for _, flag := range ctx.Selected().Flags {
		if flag.Group != nil { // one of Agent's, not of a command that takes more
			l.flags[flag.Name] = flag
		}
	}
	l.readSources(ctx)
	if a.Config != "" {
		if err := l.readFile(a.Config); err != nil {
			return err
		}
	}
	if p := a.check(); p != nil {
		return fmt.Errorf("%s: %s", l.source(p.flag), p.text)
	}
	return nil
}

// loader remembers where each setting came from.
type loader struct {
	flags map[string]*kong.Flag
	from  map[string]string // flag name -> what an error calls the source
}

func (l *loader) source(flag string) string {
	if from, ok := l.from[flag]; ok {
		return from
	}
	return "--" + flag + " (default)"
}

func (l *loader) readSources(ctx *kong.Context) {
	for name, flag := range l.flags {
		for _, env := range flag.Envs {
			if _, ok := os.LookupEnv(env); ok {
				l.from[name] = env + " (environment)"
			}
		}
	}
	for _, element := range ctx.Path {
		if element.Flag != nil {
			l.from[element.Flag.Name] = "--" + element.Flag.Name
		}
	}
}

// readFile applies the settings of a file that neither flag nor environment has.
func (l *loader) readFile(path string) error {
	data, err := readRegular(path)
	if err != nil {
		return fmt.Errorf("%s: %w", l.source("config"), err)
	}
	settings, err := parseFile(data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, s := range settings {
		if err := l.apply(path, s); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) apply(path string, s setting) error {
	where := fmt.Sprintf("%s: line %d: %s", path, s.line, s.key)
	flag := l.flags[s.key]
	if flag == nil || s.key == "config" || s.key == "help" {
		return fmt.Errorf("%s: unknown setting%s", where, l.hint(s))
	}
	if s.nested {
		return fmt.Errorf("%s: wants a value or a list of values", where)
	}
	if len(s.values) == 0 {
		return fmt.Errorf("%s: has no value; delete the line for the default", where)
	}
	if flag.Target.Kind() != reflect.Slice && len(s.values) > 1 {
		return fmt.Errorf("%s: takes one value, not %d", where, len(s.values))
	}
	if _, set := l.from[s.key]; set {
		return nil // overridden, but its key had to be known
	}
	l.from[s.key] = where
	value := strings.Join(s.values, ",")
	flag.Target.SetZero() // kong appends to lists
	scan := kong.Scan().PushTyped(value, kong.FlagValueToken)
	if err := flag.Parse(scan, flag.Target); err != nil {
		return fmt.Errorf("%s: %w", where, bare(err))
	}
	return nil
}

// hint guesses what the user of an unknown key meant.
func (l *loader) hint(s setting) string {
	key := strings.ReplaceAll(strings.ToLower(s.key), "_", "-")
	if l.flags[key] != nil && key != s.key {
		return fmt.Sprintf(", did you mean %q?", key)
	}
	for name := range l.flags {
		if s.nested && strings.HasPrefix(name, s.key+".") {
			return fmt.Sprintf("; keys are not nested, write %q", name+":")
		}
	}
	return "; `fathom agent --help` lists them"
}

// bare takes the name of the flag off an error of kong's, which the caller has named
// already.
func bare(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

// oneLine makes one line of an error of many.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
