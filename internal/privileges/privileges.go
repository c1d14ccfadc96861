// Package privileges tells which capabilities this process has, and gives them up.
package privileges

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/fathomhq/fathom/internal/requirements"
)

// Set is a set of capabilities, a bit each.
type Set uint64

// Of returns the set of these capabilities.
func Of(capabilities ...requirements.Capability) (s Set) {
	for _, c := range capabilities {
		s |= 1 << c.Number
	}
	return s
}

// Has tells whether the set has a capability itself.
func (s Set) Has(c requirements.Capability) bool { return s&(1<<c.Number) != 0 }

// Serves tells whether the set has a capability, or another one that includes it.
func (s Set) Serves(c requirements.Capability) bool {
	for _, other := range requirements.Capabilities() {
		if s.Has(other) && other.Implies(c) {
			return true
		}
	}
	return s.Has(c)
}

// Effective returns the capabilities that count for what this process does.
func Effective() (Set, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, fmt.Errorf("read the capabilities of this process: %w", err)
	}
	return Set(data[1].Effective)<<32 | Set(data[0].Effective), nil
}
