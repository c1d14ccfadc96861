package privileges

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/fathomhq/fathom/internal/requirements"
)

// GiveUp gives up all capabilities but these, for good and in all threads, if WORKS succeeds without them.
// If it does not, its error is returned and the capabilities are as they were. What the
// process starts from then on gains none either.
//
// It must not be called while a thread has other capabilities than the rest.
func GiveUp(keep []requirements.Capability, works func() error) error {
	before := cap.GetProc()
	if err := forbidGains(before); err != nil {
		return err
	}
	// First those that count are lowered, which can be undone.
	trial, err := before.Dup()
	if err != nil {
		return fmt.Errorf("copy the capabilities: %w", err)
	}
	after := cap.NewSet()
	if err := errors.Join(trial.ClearFlag(cap.Effective), copyFlags(before, keep, trial, after)); err != nil {
		return fmt.Errorf("choose the capabilities: %w", err)
	}
	if err := trial.SetProc(); err != nil {
		return fmt.Errorf("lower the capabilities: %w", err)
	}
	if err := works(); err != nil {
		return errors.Join(err, before.SetProc())
	}
	if err := errors.Join(cap.ResetAmbient(), after.SetProc()); err != nil {
		return fmt.Errorf("give up the capabilities: %w", err)
	}
	return nil
}

// copyFlags raises what BEFORE has of KEEP: in TRIAL those that count, in AFTER all.
func copyFlags(before *cap.Set, keep []requirements.Capability, trial, after *cap.Set) error {
	for _, c := range keep {
		value := cap.Value(c.Number)
		if has, err := before.GetFlag(cap.Effective, value); err != nil || !has {
			continue // err: a capability that this kernel does not know
		}
		if err := errors.Join(
			trial.SetFlag(cap.Effective, true, value),
			after.SetFlag(cap.Effective, true, value),
			after.SetFlag(cap.Permitted, true, value),
		); err != nil {
			return err
		}
	}
	return nil
}

// forbidGains makes sure that no program that this process could be made to start has more
// capabilities than the process itself, not even as root or from a file.
func forbidGains(held *cap.Set) error {
	if _, err := cap.Prctlw(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	if may, err := held.GetFlag(cap.Effective, cap.SETPCAP); err != nil || !may {
		return nil //nolint:nilerr // no_new_privs suffices: without this capability the set cannot be changed
	}
	for value := range cap.MaxBits() {
		if err := cap.DropBound(value); err != nil {
			return fmt.Errorf("drop %s from the bounding set: %w", value, err)
		}
	}
	return nil
}

// Text returns the capabilities of this process in the notation of cap_to_text(3), such as
// "cap_bpf,cap_perfmon=ep"; "=" stands for none.
func Text() string { return cap.GetProc().String() }
