// Package integration holds the tests that load Fathom's BPF programs on the
// running kernel and compare what they count with what real clients and servers
// did. The truth always comes from the processes that sent and received the
// bytes, never from Fathom.
//
// Most tests drive two helper processes, a server and a client: this test binary,
// executed again under another name so that Fathom sees two workloads. They carry out
// single system calls that the test asks for (see Sys), so that a test says
// exactly which call moved which byte.
//
// Fathom counts losses for the whole host, so these tests want a quiet one and must not
// run beside other tests that use the network (go test -p 1). As another user than root
// they skip. Environment: FATHOM_LONG=1 makes 100,000 requests to each server, FATHOM_SEED
// repeats a run of the random tests, FATHOM_ALONE=1 does without the servers that a guest
// lacks.
package integration
