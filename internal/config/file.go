package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"go.yaml.in/yaml/v3"
)

// maxFileSize bounds the configuration file. One with every setting has 2 KB.
const maxFileSize = 1 << 20

// setting is one key of the file.
type setting struct {
	key    string
	line   int
	values []string // of a list all; empty if the file gives none
	nested bool     // the value is neither a scalar nor a list of scalars
}

// readRegular returns the contents of a regular file. It does not hang on a pipe.
func readRegular(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFileSize {
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxFileSize)
	}
	return data, nil
}

// parseFile returns the settings of a YAML file in their order. It knows YAML, not
// which settings exist; keys appear once.
func parseFile(data []byte) ([]setting, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil, nil // empty, or comments only
	} else if err != nil {
		return nil, errors.New(oneLine(err.Error()))
	}
	var second yaml.Node
	if err := decoder.Decode(&second); err == nil {
		return nil, fmt.Errorf("line %d: a second document; give one", second.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, errors.New(oneLine(err.Error()))
	}
	root := document.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: want lines of the form `max-series: 4096`", root.Line)
	}
	return parseMapping(root)
}

func parseMapping(root *yaml.Node) ([]setting, error) {
	var settings []setting
	lines := make(map[string]int)
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: a key must be the name of a setting", key.Line)
		}
		if first, ok := lines[key.Value]; ok {
			return nil, fmt.Errorf("line %d: %s: given before, on line %d", key.Line, key.Value, first)
		}
		lines[key.Value] = key.Line
		s := setting{key: key.Value, line: key.Line}
		s.values, s.nested = scalars(value)
		settings = append(settings, s)
	}
	return settings, nil
}

// scalars returns the values of a scalar or a list of scalars. Aliases count as nested:
// there is nothing in this file to repeat.
func scalars(n *yaml.Node) (values []string, nested bool) {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag != "!!null" {
			values = append(values, n.Value)
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
				return nil, true
			}
			values = append(values, item.Value)
		}
	default:
		nested = true
	}
	return values, nested
}
