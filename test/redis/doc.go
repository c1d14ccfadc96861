// Package redis has real clients of Redis speak to real servers, and compares what Fathom counts at both ends, by command and
// outcome, with what the server says itself (INFO commandstats and errorstats) and with what the client says.
package redis
