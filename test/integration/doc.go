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
// they skip.
//
// What Fathom counts depends on the place: the attach mode and the kernel. In the mode that
// auto takes, the kernel must not skip a single run of a program. In another one it may, on
// kernels that preempt; then what is missing has to be explained by the runs that Fathom says
// were skipped, and a path is gone again until none was.
//
// Environment:
//
//	FATHOM_ATTACH_MODE      the attach mode (auto)
//	FATHOM_AUTO_MODE        what auto has to be here
//	FATHOM_LONG=1           100,000 requests to each server
//	FATHOM_SEED=N           repeats a run of the random tests
//	FATHOM_ALONE=1          there are no other programs: neither servers nor noise
//	FATHOM_REQUIRE_TOOLS=1  what testdata/build.sh builds must be there
//	FATHOM_OUT=DIR          leaves there what was seen of each way to move data, for docs/modes.md
package integration
