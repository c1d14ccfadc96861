// Package https lets an agent that reads TLS run beside real programs, and tests what only the whole agent
// shows: that it finds libraries by itself, also those that replace others in a running container, that it
// names what it cannot read, and that nobody notices when it is killed. It needs bin/fathom, and permission to
// load BPF and to mount: `make test` sees to both.
package https
