#!/usr/bin/env bash
# Builds coo as WebAssembly (wasip1) for tools/machines.sh:
#
#	tools/wasm.sh FILE
#
# It is the whole of coo, but for what this system does not have: locks between
# processes, rename(2) of its own, chmod of a directory, programs to start.
# Those few functions are replaced in the build, not in the source.
set -euo pipefail
out=$(realpath "$1")
cd "$(dirname "$0")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cat >"$tmp/lock.go" <<'GO'
package durable

import "os"

func lock(*os.File, bool, bool) error { return nil }
GO
cat >"$tmp/rename.go" <<'GO'
package snapshot

import "os"

func rename(temp, dir string) error { return os.Rename(temp, dir) }
GO
cat >"$tmp/programs.go" <<'GO'
package sandbox

import (
	"errors"
	"os"
	"os/exec"
)

type group struct{}

var errNoPrograms = errors.New("this system starts no programs")

var relayedSignals []os.Signal

func (*group) prepare(*exec.Cmd)           {}
func (*group) started(*exec.Cmd) error     { return errNoPrograms }
func (*group) signal(*exec.Cmd, os.Signal) {}
func (*group) kill(*exec.Cmd)              {}
func exitOf(*os.ProcessState) Exit         { return Exit{} }
func mayExecute(string) bool               { return false }
func isInterrupt(os.Signal) bool           { return false }
GO
sed 's/a\.d\.root\.Chmod(temp, perm)/func() error { _ = perm; return nil }()/' internal/workspace/commit.go >"$tmp/commit.go"
cat >"$tmp/overlay.json" <<JSON
{"Replace": {"$PWD/internal/durable/lock_unix.go": "$tmp/lock.go",
             "$PWD/internal/snapshot/rename_unix.go": "$tmp/rename.go",
             "$PWD/internal/sandbox/programs_wasip1.go": "$tmp/programs.go",
             "$PWD/internal/workspace/commit.go": "$tmp/commit.go"}}
JSON
GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -overlay "$tmp/overlay.json" -o "$out" ./cmd/coo
