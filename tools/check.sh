#!/usr/bin/env bash
# Formatting, vet, staticcheck, tidy modules, and builds for the systems that
# coo supports. Every line must come out empty.
set -euo pipefail
cd "$(dirname "$0")/.."
step() { printf 'check: %s\n' "$*"; }
tool() { go tool -modfile=tools/go.mod "$@"; }

step gofumpt
bad=$(tool gofumpt -l cmd internal examples bench proof tools ./*.go)
[ -z "$bad" ] || { printf 'not formatted:\n%s\n' "$bad"; exit 1; }
step go vet
go vet ./...
step staticcheck
tool staticcheck ./...
step go mod tidy
go mod tidy -diff
step "tools: vet, staticcheck, tidy"
(cd tools && go vet ./shams ./release ./foldfs && go tool staticcheck ./shams ./release ./foldfs && go mod tidy -diff)
step "bench: vet, tidy"
(cd bench && go vet ./... && go mod tidy -diff)
for target in linux/arm64 linux/s390x darwin/arm64 windows/amd64; do
	step "build and vet $target, tests included"
	GOOS=${target%/*} GOARCH=${target#*/} CGO_ENABLED=0 go build -o /dev/null ./cmd/coo
	GOOS=${target%/*} GOARCH=${target#*/} CGO_ENABLED=0 go vet ./cmd/... ./internal/... ./examples/...
done
step "build wasip1/wasm"
./tools/wasm.sh /dev/null
step "man pages: groff has nothing to say"
for page in docs/man/*; do
	said=$(groff -man -ww -Tutf8 -z "$page" 2>&1)
	[ -z "$said" ] || { printf '%s\n%s\n' "$page" "$said"; exit 1; }
done
