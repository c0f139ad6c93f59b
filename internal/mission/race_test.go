//go:build race

package mission

const raceEnabled = true
