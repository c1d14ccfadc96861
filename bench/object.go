package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// object is a file with the BPF programs of another version.
type object struct {
	name, path string
	file       []byte
}

var objectName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// parseObject splits NAME=FILE.
func parseObject(s string, taken []object) (name, path string, err error) {
	name, path, ok := strings.Cut(s, "=")
	switch {
	case !ok || path == "" || !objectName.MatchString(name):
		return "", "", fmt.Errorf("want NAME=FILE")
	case builtIn(name) || slices.ContainsFunc(taken, func(o object) bool { return o.name == name }):
		return "", "", fmt.Errorf("there is a state %s already", name)
	}
	return name, path, nil
}

// addObject reads the file of NAME=FILE.
func (b *bench) addObject(s string) error {
	name, path, err := parseObject(s, b.objects)
	if err != nil {
		return err
	}
	file, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b.objects = append(b.objects, object{name, path, file})
	return nil
}
