package main

// Help is shown by `fathom agent --help`, above the flags.
func (*agentCommand) Help() string {
	return `The agent attaches BPF programs to the kernel's TCP sockets, counts HTTP exchanges and the health of
their connections there, and answers Prometheus at http://127.0.0.1:10777/metrics. It changes nothing in the
processes that it measures, and leaves nothing attached when it ends, however it ends.

Examples:

    fathom agent
    fathom agent --web.listen-address=:10777 --web.config.file=/etc/fathom/web.yml
    fathom agent --config=/etc/fathom/fathom.yaml --log.format=json
    FATHOM_BUCKETS=1ms,10ms,100ms,1 fathom agent

Permissions: run it as root, or as a user with the capabilities CAP_BPF and CAP_PERFMON, on some kernels a few
more; it gives them up when it has attached. It needs Linux 5.10 or later with type information
(/sys/kernel/btf/vmlinux). "fathom doctor" says what works on a host. The systemd unit in deploy/systemd gives
it just what it needs.

Settings: every flag is also an environment variable and a key in the file; flags win over the
environment, the environment over the file. With --buckets=0.1,1 stand FATHOM_BUCKETS=0.1,1 and the line
"buckets: [0.1, 1]". Unknown keys in the file are errors.

Exit status: 0 after SIGTERM or SIGINT (a second one ends it at once), 1 if it cannot run or go on, 2 if the
command line or the configuration is wrong.`
}
