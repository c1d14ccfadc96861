// Package directorypb is the protocol between Fathom's agents and `fathom directory`.
package directorypb

//go:generate ./generate.sh

// Both sides keep to these.
const (
	// MaxBatch bounds the addresses of a request and the answers of a response. 1,024 answers with the longest
	// names that Kubernetes allows (63, 253 and 63 bytes) have some 450 kB, of the 4 MiB that gRPC accepts.
	MaxBatch = 1024
	// MaxAddresses bounds the addresses that an agent may have added: several times the peers that an agent counts
	// by default. The directory takes some 65 bytes for each (BenchmarkChange).
	MaxAddresses = 32 << 10
	// MaxRequestBytes bounds a request: 1,024 addresses have some 28 kB.
	MaxRequestBytes = 64 << 10
)
