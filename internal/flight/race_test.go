//go:build race

package flight

// raceEnabled tells exhaustive tests to take every 8th case.
const raceEnabled = true
