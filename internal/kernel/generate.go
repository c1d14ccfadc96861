package kernel

// The prefix map and the stripped debug information make the object the same
// wherever it is built, so that CI can compare bytes.
//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target amd64,arm64 -type conn -type exchange -type histogram -type workload -type workload_key -type census -type series_key -type queue_key -type protocol -type common_status -type edge_key -type edge -type tls_process -type opaque -type coverage_key -type covered -type listener -type cpu_counters -type conn_class -type lost -type lost_bytes -type buffer_fault -type map_errno -type coverage_reason -type program -type table -type http_method bpf ../../bpf/fathom.bpf.c -- -mcpu=v3 -O2 -Wall -Wextra -Werror -Wno-unused-parameter -ffile-prefix-map=../../=

// What the list of protocols calls by name, it finds in the object.
//go:generate go run ../protocol/gen -object bpf_x86_bpfel.o -o ../protocol/enumerators.go
