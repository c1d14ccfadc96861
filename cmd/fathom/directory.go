package main

import (
	"context"

	"github.com/fathomhq/fathom/internal/config"
	"github.com/fathomhq/fathom/internal/directory/daemon"
)

// directoryCommand is the one process that watches the whole cluster.
type directoryCommand struct{ config.Directory }

// Help is shown by `fathom directory --help`, above the flags.
func (*directoryCommand) Help() string {
	return `Watches the pods and services of a Kubernetes cluster, so that not every agent has to, and tells agents who has the
addresses that they see. Two of them are enough for any cluster; agents work on with what they know while there is none.`
}

// Run is called by kong.
func (c *directoryCommand) Run(ctx context.Context, out output) error {
	return daemon.Run(ctx, daemon.Options{Config: c.Directory, Version: readVersion().version, Logger: c.Logger(out.stderr)})
}
