// Command guests runs the tests on other kernels than this machine's: it boots distribution
// kernels in emulated guests, three for each two CPUs at a time, and runs test binaries there.
//
//	make test-kernels
//	make test-kernels KERNELS='-guests 6.12,arm64-7.3 -run TestPaths -v'
//	go run ./test/guests -list
//	go run ./test/guests run [FLAGS] GUEST BINARY [ARGS...]
//
// The last one runs any static binary in a guest; for its exit status build the command
// (go build -o bin/guests ./test/guests), since `go run` makes 1 of every other than 0.
//
// What runs where is a table in matrix.go: guests with the ways in which Fathom attaches there
// (attach modes), jobs, and the skips that are allowed. A run fails if a test fails, a skip is not
// in that table, a job or a guest ran no test, a guest ran out of time or ended before it had
// told of every job, or its kernel complained. Results are printed and written to build/guests:
// results.md, results.json, and for each guest a folder with the output of its jobs, the console,
// the kernel's messages and what tests left in /out.
//
// A test binary finds in its environment
//
//	FATHOM_GUEST        the name of the guest
//	FATHOM_ATTACH_MODE  the attach mode to use, or auto
//	FATHOM_AUTO_MODE    the mode that auto has to take on this kernel
//	FATHOM_OUT          a folder that is brought back: build/guests/GUEST/out/MODE-PACKAGE
//	FATHOM_PATHS        which of TestPaths run: test/integration/paths_where_test.go
//	FATHOM_ALONE=1      there are no other programs in this guest than the job's: no nginx, no shell
//
// its package's testdata and objects in its working directory, and the agent at /work/fathom.
//
// Package vm knows how a guest is booted, and says which facts and pitfalls of emulation that
// rests on; init is a guest's first process, and wire what the two tell each other. Everything is
// emulated: code runs 8 to 25 times slower, and timings taken there mean nothing.
package main
