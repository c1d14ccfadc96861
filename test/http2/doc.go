// Package http2 lets real servers and real clients speak HTTP/2 and gRPC to each other, in the ways in which software lays frames over
// calls and codes its header blocks, and compares what Fathom counted at both ends with what the client saw, or the server logged.
// The truth never comes from Fathom.
//
// Each row runs its programs under names of their own, by which their workloads are told apart. What the client and the server say has
// to be what Fathom says, by method and status, or by gRPC's status, and nothing may be lost unless the row says so.
//
// TestRows attaches before anybody connects, TestLate when connections have carried 300 requests each, and TestTLS has an agent that
// reads TLS. Fathom counts losses for the whole host, so these tests want a quiet one. As another user than root they skip.
//
// Environment:
//
//	FATHOM_ATTACH_MODE      the attach mode (auto)
//	FATHOM_LONG=1           100,000 requests where both ends are fast, and bodies of gigabytes
//	FATHOM_TRUTH=1          runs clients and servers without Fathom, and shows what they say
package http2
