package agent

import (
	"log/slog"
	"os"
	"slices"

	"github.com/fathomhq/fathom/internal/kernel"
	"github.com/fathomhq/fathom/internal/privileges"
	"github.com/fathomhq/fathom/internal/requirements"
	"github.com/fathomhq/fathom/internal/web"
)

// giveUpPrivileges gives up the capabilities that were needed for attaching only. What does not work
// without them keeps them: measuring comes first.
func giveUpPrivileges(k *kernel.Kernel, webConfig string, log *slog.Logger) {
	works := worksAsNow(
		func() error { _, err := k.Snapshot(); return err },
		func() error { _, err := os.ReadFile("/proc/1/comm"); return err }, // hidden by hidepid
		func() error { return web.CheckConfig(webConfig) },                 // read again later
	)
	before := privileges.Text()
	err := privileges.GiveUp(requirements.Kept(k.Probe().Situation), works)
	if err != nil {
		log.Debug("something takes capabilities later, so some are kept", "error", err)
		err = privileges.GiveUp(mayKeep(), works)
	}
	if err != nil {
		log.Warn("cannot give up capabilities that are not needed any more", "error", err)
		return
	}
	log.Debug("gave up capabilities", "before", before, "after", privileges.Text())
}

// mayKeep returns the capabilities that can be needed after attaching.
func mayKeep() []requirements.Capability {
	return slices.DeleteFunc(requirements.Capabilities(), func(c requirements.Capability) bool { return c.Kept == "" })
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
