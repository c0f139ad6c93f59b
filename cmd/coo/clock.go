package main

import "time"

// parseClock reads an RFC 3339 time as Unix milliseconds; finer fractions
// are cut.
func parseClock(s string) (int64, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0, err
	}
	return t.UnixMilli(), nil
}
