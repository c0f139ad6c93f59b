// Package demo is the mission that "coo run demo" runs: its source, and the
// answers of a model server that were frozen when it was recorded.
package demo

import (
	"embed"
	"io/fs"
	"strings"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/freeze"
)

// Main is the path of the mission's source.
const Main = "demo.star"

//go:embed demo.star
var source []byte

//go:embed frozen
var frozen embed.FS

//go:embed outputs.txt
var outputs string

// Source returns the mission's source.
func Source() []byte { return source }

// Frozen returns the frozen answers.
func Frozen() (*freeze.Source, error) {
	dir, err := fs.Sub(frozen, "frozen")
	if err != nil {
		return nil, err
	}
	return freeze.FromFS(dir, "the demo's own freeze")
}

// Outputs returns the digest of each file that the demo writes, by path.
func Outputs() map[string]digest.Digest {
	out := map[string]digest.Digest{}
	for line := range strings.Lines(outputs) {
		sum, path, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		d, err := digest.Parse(sum)
		if err != nil {
			panic("demo: internal error: outputs.txt: " + err.Error())
		}
		out[path] = d
	}
	return out
}
