// Package integration holds the tests that load Fathom's BPF programs on the
// running kernel and compare what they count with what real clients and servers
// did. The truth always comes from the processes that sent and received the
// bytes, never from Fathom.
//
// Most tests drive two helper processes, a server and a client: this test binary,
// executed again under another name so that Fathom sees two workloads. They carry out
// single system calls that the test asks for (see Sys), so that a test says
// exactly which call moved which byte.
package integration
