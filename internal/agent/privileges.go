package agent

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/fathomhq/fathom/internal/config"
	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/privileges"
	"github.com/fathomhq/fathom/internal/requirements"
	"github.com/fathomhq/fathom/internal/web"
)

// giveUpPrivileges gives up the capabilities that were needed for attaching only. What does not work
// without them keeps them: measuring comes first.
func giveUpPrivileges(k *kernel.Kernel, c config.Agent, log *slog.Logger) {
	checks := []func() error{
		func() error { _, err := k.Snapshot(); return err },
		func() error { _, err := os.ReadFile("/proc/1/comm"); return err }, // hidden by hidepid
		func() error { return web.CheckConfig(c.WebConfigFile) },           // read again later
	}
	if c.TLS {
		checks = append(checks, k.TryTLS, func() error { return readMaps("/proc") })
	}
	works, situation := worksAsNow(checks...), k.Probe().Situation
	before := privileges.Text()
	err := privileges.GiveUp(requirements.Kept(situation), works)
	if err != nil {
		log.Debug("something takes capabilities later, so some are kept", "error", err)
		err = privileges.GiveUp(mayKeep(situation), works)
	}
	if err != nil {
		log.Warn("cannot give up capabilities that are not needed any more", "error", err)
		return
	}
	log.Debug("gave up capabilities", "before", before, "after", privileges.Text())
}

// mayKeep returns the capabilities that can be needed after attaching.
func mayKeep(s requirements.Situation) []requirements.Capability {
	return slices.DeleteFunc(requirements.Capabilities(), func(c requirements.Capability) bool { return !c.MayBeKept(s) })
}

// readMaps fails if it may not read what the oldest processes have mapped: without CAP_SYS_PTRACE those of other users, and
// those with capabilities, are closed to the agent.
func readMaps(proc string) error {
	processes, err := os.ReadDir(proc)
	if err != nil {
		return err
	}
	const enough = 32
	tried := 0
	for _, p := range processes {
		if _, err := strconv.ParseUint(p.Name(), 10, 31); err != nil || tried == enough {
			continue
		}
		tried++
		f, err := os.Open(filepath.Join(proc, p.Name(), "maps"))
		if errors.Is(err, fs.ErrPermission) {
			return err
		}
		if err == nil {
			_ = f.Close()
		}
	}
	return nil
}

// worksAsNow returns a function that fails if one of the checks fails that does not fail now.
func worksAsNow(checks ...func() error) func() error {
	checks = slices.DeleteFunc(checks, func(check func() error) bool { return check() != nil })
	return func() error {
		for _, check := range checks {
			if err := check(); err != nil {
				return err
			}
		}
		return nil
	}
}
