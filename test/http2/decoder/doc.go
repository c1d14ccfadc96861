// Package decoder compares the kernel side's decoder of HTTP/2 (bpf/proto/http2.h), compiled for the host with sanitizers, with that of
// golang.org/x/net, on random connections: frames of all types, and header blocks of the encoder of x/net and of one that
// uses all forms of HPACK. The bytes come in pieces, cut in six ways, and from the beginning or from somewhere in the middle.
package decoder
