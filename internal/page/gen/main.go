// Command gen writes the types of the API's answers for the page's modules, which a type checker holds
// against them.
package main

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/fathomhq/fathom/internal/history"
)

const header = `// Generated from internal/history by "go generate ./internal/page". Do not edit.

declare namespace API {`

func main() {
	out := flag.String("o", "api.d.ts", "file to write")
	flag.Parse()
	if err := write(*out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func write(name string) error {
	g := generator{seen: make(map[reflect.Type]bool)}
	g.WriteString(header)
	for _, answer := range []any{history.Workloads{}, history.WorkloadDetails{}, history.CoverageReport{}, history.AgentReport{}} {
		if _, err := g.typeOf(reflect.TypeOf(answer)); err != nil {
			return err
		}
	}
	g.WriteString("}\n")
	return os.WriteFile(name, []byte(g.String()), 0o644) //nolint:gosec // a source file
}

// generator writes each struct once.
type generator struct {
	strings.Builder
	seen map[reflect.Type]bool
}

var number = reflect.TypeFor[history.Number]()

// typeOf returns the name of a type in TypeScript, as encoding/json writes it.
func (g *generator) typeOf(t reflect.Type) (string, error) {
	switch {
	case t == number:
		return "number | null", nil
	case t.Kind() == reflect.Struct:
		return t.Name(), g.declare(t)
	}
	switch t.Kind() {
	case reflect.String:
		return "string", nil
	case reflect.Bool:
		return "boolean", nil
	case reflect.Int, reflect.Uint64, reflect.Float64:
		return "number", nil
	case reflect.Pointer:
		name, err := g.typeOf(t.Elem())
		return name + " | null", err
	case reflect.Slice:
		name, err := g.typeOf(t.Elem())
		return "(" + name + ")[]", err
	case reflect.Map:
		name, err := g.typeOf(t.Elem())
		return "Record<string, " + name + ">", err
	default:
		return "", fmt.Errorf("no type for %s", t)
	}
}

// declare writes a struct, after those that it is made of. Embedded ones are extended.
func (g *generator) declare(t reflect.Type) error {
	if g.seen[t] {
		return nil
	}
	g.seen[t] = true
	var extends, fields []string
	for f := range t.Fields() {
		name, err := g.typeOf(f.Type)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", t.Name(), f.Name, err)
		}
		if f.Anonymous {
			extends = append(extends, name)
			continue
		}
		key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if options != "" {
			key += "?" // may be left out
		}
		fields = append(fields, fmt.Sprintf("    %s: %s;\n", key, name))
	}
	g.WriteString("\n  interface " + t.Name())
	if len(extends) > 0 {
		g.WriteString(" extends " + strings.Join(extends, ", "))
	}
	g.WriteString(" {\n" + strings.Join(fields, "") + "  }\n")
	return nil
}
