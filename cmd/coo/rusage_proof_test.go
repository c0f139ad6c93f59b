//go:build unix

package main

import (
	"os"
	"regexp"
	"runtime"
	"syscall"
)

// residentBytes is the most memory that a process that has ended ever had, as
// the kernel counted it.
func residentBytes(s *os.ProcessState) int64 {
	peak := s.SysUsage().(*syscall.Rusage).Maxrss
	if runtime.GOOS == "darwin" {
		return peak
	}
	return peak << 10
}

// says reports whether a pattern is found in a text.
func says(text, pattern string) bool { return regexp.MustCompile(pattern).MatchString(text) }
