// Package redis has real clients of Redis speak to real servers, and compares what Fathom counts at both ends with what the server
// says itself (INFO commandstats).
package redis
