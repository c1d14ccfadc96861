package redis

import (
	"slices"
	"strings"

	"github.com/fathomhq/fathom/internal/protocol"
)

// counts are exchanges by operation, with the first word of the error behind it if there was one: "GET", "GET WRONGTYPE".
type counts map[string]int

func (c counts) add(key string, n int) {
	if c[key] += n; c[key] == 0 {
		delete(c, key)
	}
}

func (c counts) sum() (n int) {
	for _, v := range c {
		n += v
	}
	return n
}

// by sums up by what f makes of a key's words; what it makes nothing of is left out.
func (c counts) by(f func(operation, err string) string) counts {
	out := counts{}
	for key, n := range c {
		operation, err, _ := strings.Cut(key, " ")
		if name := f(operation, err); name != "" {
			out[name] += n
		}
	}
	return out
}

// outcome is what a server knows of a command: "GET" or "GET failed".
func outcome(operation, err string) string {
	if err != "" {
		return operation + " failed"
	}
	return operation
}

// failure is what a server knows of an error.
func failure(_, err string) string { return err }

// word is the first word of an error as Fathom has it: all that it has no name for are one.
func word(err string) string {
	if err == "" || slices.Contains(protocol.Redis.Statuses.All(), err) {
		return err
	}
	return protocol.Other
}

// application is what applications ask for, without what their drivers do by themselves.
func application(operation, err string) string {
	if slices.Contains(protocol.Redis.Housekeeping, operation) {
		return ""
	}
	return strings.TrimSpace(operation + " " + err)
}
