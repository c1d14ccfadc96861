// Package http1 lets real servers and real clients speak HTTP/1 to each other, in the ways in which messages are framed
// (RFC 9112, section 6) and in those in which software takes liberties with it, and compares what Fathom counted at both
// ends with what the client saw, or the server logged. The truth never comes from Fathom.
//
// Each row of the table runs its programs under names of their own, by which their workloads are told apart. What the
// client and the server say has to be what Fathom says, by method and status; what is missing has to be counted as lost,
// and nothing may be lost unless the row says so. How long exchanges took is compared in one direction only: they are not
// longer than the client measured, apart from a second that a busy machine may take between two instructions. That is for
// exchanges to which Fathom adds what came after them.
//
// Fathom counts losses for the whole host, so these tests want a quiet one. As another user than root they skip.
//
// Environment:
//
//	FATHOM_ATTACH_MODE      the attach mode (auto)
//	FATHOM_OUT=FILE         writes a table there: the truth, what was counted and what was lost, row by row
//
// To see what a change of the BPF programs mends, run the tests before and after it with FATHOM_OUT.
package http1
