//go:build race

package pack_test

// raceEnabled keeps proofs small under the detector, which makes them many
// times slower and finds nothing in them: tools/test.sh runs them without it.
const raceEnabled = true
