package mission

import (
	"fmt"
	"math/bits"

	"go.starlark.net/starlark"
)

// Limits is the name of the limits below. It is written in the first record of
// a run, for a mission that stays within them may break others.
const Limits = "limits/1"

// The limits of a mission. They are far above what missions need, and low
// enough that no single operation takes more memory than a laptop has.
const (
	maxSource   = 1 << 20 // bytes of one source file
	maxSources  = 8 << 20 // bytes of all source files
	maxFiles    = 1000    // source files
	maxNesting  = 10_000  // depth of a syntax tree
	maxLoad     = 5_000_000
	maxSteps    = 200_000_000
	pollSteps   = 100_000
	maxText     = 32 << 20 // bytes of a string or bytes value
	maxElems    = 4 << 20  // elements of a list or tuple, and of anything iterated over by a function
	maxEntries  = 1 << 20  // entries of a dict or set
	maxBits     = 64 << 10 // bits of an integer
	maxDigits   = 20_000   // characters of an integer literal in text
	maxArgs     = 64 << 10 // arguments of a call by * or **
	maxParts    = 1000     // places of secrets in one text, and the literals between
	maxPrint    = 100      // depth of a value that is printed
	maxKey      = 100      // depth of a key
	maxKeyNodes = 1 << 16  // values within a key
	maxNodes    = 4 << 20  // values visited by one comparison
	maxJSON     = 512      // depth of JSON
	maxMessage  = 4 << 10  // bytes of an error's text
	maxWidth    = 1000     // branches of one fork
	maxForks    = 16       // forks within forks
	maxBranches = 10_000   // branches at once
	maxHops     = 10       // redirects
	maxSleep    = 366 * 86400 * 1000
	maxTimeout  = 3600 * 1000
	largeBytes  = 1 << 20 // from here on an allocation polls Options.Overload
	valueBytes  = 16      // of one value within a list
)

// A limitError says which limit was met; its text does not depend on how far
// above it the value is.
func limitError(what string, limit int, unit string) error {
	return fmt.Errorf("%s: %s allows %d %s", what, Limits, limit, unit)
}

func checkText(n int) error {
	if n < 0 || n > maxText {
		return limitError("text too long", maxText, "bytes")
	}
	return nil
}

func checkElems(n int) error {
	if n < 0 || n > maxElems {
		return limitError("too many elements", maxElems, "in a list or tuple")
	}
	return nil
}

func checkEntries(n int) error {
	if n < 0 || n > maxEntries {
		return limitError("too many entries", maxEntries, "in a dict or set")
	}
	return nil
}

func checkBits(n int) error {
	if n < 0 || n > maxBits {
		return limitError("integer too large", maxBits, "bits")
	}
	return nil
}

// product is a*b for non-negative numbers, or -1 when it overflows, which no
// check accepts.
func product(a, b int) int {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi != 0 || lo > 1<<62 {
		return -1
	}
	return int(lo)
}

// bitLen is the length of an integer without its sign.
func bitLen(i starlark.Int) int {
	if small, ok := i.Int64(); ok {
		u := uint64(small)
		if small < 0 {
			u = -u
		}
		return bits.Len64(u)
	}
	return i.BigInt().BitLen()
}

// checkResult refuses a value that is larger than the limits allow. It is
// called on the results of operations that at most double their operands.
func checkResult(v starlark.Value) error {
	switch v := v.(type) {
	case starlark.String:
		return checkText(len(v))
	case starlark.Bytes:
		return checkText(len(v))
	case starlark.Int:
		return checkBits(bitLen(v))
	case *starlark.List:
		return checkElems(v.Len())
	case starlark.Tuple:
		return checkElems(len(v))
	case *starlark.Dict:
		return checkEntries(v.Len())
	case *starlark.Set:
		return checkEntries(v.Len())
	}
	return nil
}

// spread takes the elements of an iterable whose length is not known, or a
// sequence that is too long for a function to run through in one step.
func spread(v starlark.Value, limit int) (starlark.Value, error) {
	it, ok := v.(starlark.Iterable)
	if !ok {
		return v, nil // its function says what is wrong with it
	}
	if n := starlark.Len(it); n >= 0 {
		if n > limit {
			return nil, limitError("too many elements", limit, "in one operation")
		}
		return v, nil
	}
	iter := it.Iterate()
	defer iter.Done()
	var elems starlark.Tuple
	var x starlark.Value
	for iter.Next(&x) {
		if len(elems) == limit {
			return nil, limitError("too many elements", limit, "in one operation")
		}
		elems = append(elems, x)
	}
	return elems, nil
}
