package run

import (
	"os"

	"github.com/coo-runtime/coo/internal/workspace"
)

// Present takes inputs as they are now: files from a directory, environment
// variables from coo's own environment.
type Present struct{ *workspace.Dir }

// Env returns a variable of coo's environment.
func (Present) Env(name string) (string, bool, error) {
	v, ok := os.LookupEnv(name)
	return v, ok, nil
}
