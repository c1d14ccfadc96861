package main

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// value is a leaf of values.yaml: what a user sets.
type value struct {
	path, text, comment string
}

// readValues lists the leaves in the order of the file. A list or a mapping that is written on one line is one.
func readValues(data []byte) ([]value, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, err
	}
	if len(document.Content) != 1 {
		return nil, errors.New("no values")
	}
	return leaves("", document.Content[0])
}

func leaves(prefix string, mapping *yaml.Node) (all []value, err error) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, node := mapping.Content[i], mapping.Content[i+1]
		path := prefix + key.Value
		if node.Kind == yaml.MappingNode && node.Style&yaml.FlowStyle == 0 {
			below, err := leaves(path+".", node)
			if err != nil {
				return nil, err
			}
			all = append(all, below...)
			continue
		}
		text, err := yaml.Marshal(node)
		if err != nil {
			return nil, err
		}
		comment := strings.Join(strings.Fields(strings.ReplaceAll(key.HeadComment, "#", " ")), " ")
		if comment == "" {
			return nil, fmt.Errorf("%s has no comment", path)
		}
		all = append(all, value{path, strings.Join(strings.Fields(string(text)), " "), comment})
	}
	return all, nil
}

func valuesTable(data []byte) (string, error) {
	values, err := readValues(data)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("| value | default | what it is |\n|---|---|---|\n")
	for _, v := range values {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", v.path, v.text, v.comment)
	}
	return b.String(), nil
}
