// Package coo holds nothing but this comment and the tests of the whole
// module: that imports point one way, that no map order reaches bytes, and
// that the documentation does what it says. The program is in cmd/coo; a
// reading order is in ARCHITECTURE.md.
package coo
