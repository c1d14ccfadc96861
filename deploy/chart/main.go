// Chart writes what is generated of the Helm chart: the lists of capabilities, from the table of
// internal/requirements, the tables of values in the chart's README and in the mixin's, and those of docs/kubernetes.md.
//
//	go run ./deploy/chart
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/fathomhq/fathom/internal/requirements"
	"github.com/fathomhq/fathom/mixin"
)

// Where what is generated goes, from the root of the repository.
const (
	templateFile = "deploy/helm/fathom/templates/_capabilities.tpl"
	valuesFile   = "deploy/helm/fathom/values.yaml"
	readmeFile   = "deploy/helm/fathom/README.md"
	guideFile    = "docs/kubernetes.md"
	mixinFile    = "mixin/README.md"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	files, err := generate(root)
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns the text of each file.
func generate(root string) (map[string]string, error) {
	values, err := os.ReadFile(filepath.Join(root, valuesFile))
	if err != nil {
		return nil, err
	}
	table, err := valuesTable(values)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", valuesFile, err)
	}
	files := map[string]string{templateFile: capabilitiesTemplate()}
	for _, page := range []struct {
		name   string
		tables map[string]string
	}{
		{readmeFile, map[string]string{"values": table}},
		{mixinFile, map[string]string{"settings": mixin.SettingsTable(), "alerts": mixin.AlertsTable("../docs/runbooks")}},
		{guideFile, map[string]string{"profiles": profileTable(), "capabilities": capabilityTable(), "tls": requirements.TLSTable()}},
	} {
		text, err := os.ReadFile(filepath.Join(root, page.name))
		if err != nil {
			return nil, err
		}
		if files[page.name], err = fill(string(text), page.tables); err != nil {
			return nil, fmt.Errorf("%s: %w", page.name, err)
		}
	}
	return files, nil
}

// fill puts tables into a page in Markdown, each between the comments `<!-- NAME:begin -->` and `<!-- NAME:end -->`.
func fill(page string, tables map[string]string) (string, error) {
	for name, table := range tables {
		begin, end := "<!-- "+name+":begin -->\n", "<!-- "+name+":end -->"
		before, rest, found := strings.Cut(page, begin)
		_, after, closed := strings.Cut(rest, end)
		if !found || !closed {
			return "", fmt.Errorf("no place for the table %q", name)
		}
		page = before + begin + table + end + after
	}
	return page, nil
}
