#!/usr/bin/env bash
# Makes directory.pb.go and directory_grpc.pb.go. The compiler is Debian's protobuf-compiler (3.21.12), whose
# version the files name; the plugins are tools of go.mod.
set -euo pipefail
cd "$(dirname "$0")/../../.." # the files' names in protobuf's registry are paths in this module

protoc --go_out=. --go_opt=paths=source_relative --plugin="$(go tool -n protoc-gen-go)" \
	--go-grpc_out=. --go-grpc_opt=paths=source_relative --plugin="$(go tool -n protoc-gen-go-grpc)" \
	internal/directory/directorypb/directory.proto
