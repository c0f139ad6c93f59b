package main

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// distribution is coo's name on PyPI, as file names spell it.
const distribution = "coo_runtime"

const description = `coo is a deterministic runtime for AI workflows: it runs a workflow, freezes every answer that came
from outside, writes each step to a hash-chained flight recorder, and replays the run offline, byte for byte.

This package carries the same static binary as the release archives, and no Python code:

    pip install coo-runtime
    coo run demo
`

// wheelOf returns the wheel for a system, a zip file as PEP 427 describes it:
//
//	coo_runtime-0.1.0.data/scripts/coo       goes to the environment's bin
//	coo_runtime-0.1.0.dist-info/METADATA
//	coo_runtime-0.1.0.dist-info/WHEEL
//	coo_runtime-0.1.0.dist-info/licenses/LICENSE
//	coo_runtime-0.1.0.dist-info/RECORD       digests of the above
func wheelOf(s system, version string, coo []byte, extras map[string][]byte) (name string, b []byte, err error) {
	v := pythonVersion(version)
	stem := distribution + "-" + v
	info := stem + ".dist-info/"
	members := []member{
		{stem + ".data/scripts/" + s.binary(), coo, true},
		{info + "METADATA", metadata(v), false},
		{info + "WHEEL", wheelFile(s), false},
		{info + "licenses/LICENSE", extras["LICENSE"], false},
	}
	members = append(members, member{info + "RECORD", record(members, info), false})
	b, err = zipOf(members)
	// Tags are sorted in the name: a compressed set has one spelling.
	return stem + "-py3-none-" + strings.Join(slices.Sorted(slices.Values(s.tags)), ".") + ".whl", b, err
}

// pythonVersion returns v0.1.0-rc.1 as PEP 440 has it: 0.1.0rc1.
func pythonVersion(version string) string {
	return strings.Replace(strings.TrimPrefix(version, "v"), "-rc.", "rc", 1)
}

func metadata(version string) []byte {
	return fmt.Appendf(nil, `Metadata-Version: 2.4
Name: coo-runtime
Version: %s
Summary: Run any AI workflow identically, every time
License-Expression: Apache-2.0
License-File: LICENSE
Project-URL: Source, https://github.com/coo-runtime/coo
Requires-Python: >=3.7
Description-Content-Type: text/markdown

%s`, version, description)
}

func wheelFile(s system) []byte {
	var b strings.Builder
	b.WriteString("Wheel-Version: 1.0\nGenerator: coo-release\nRoot-Is-Purelib: false\n")
	for _, tag := range s.tags {
		fmt.Fprintf(&b, "Tag: py3-none-%s\n", tag)
	}
	return []byte(b.String())
}

// record lists the members with digests and sizes, and itself without.
func record(members []member, info string) []byte {
	var b strings.Builder
	for _, m := range members {
		sum := sha256.Sum256(m.content)
		fmt.Fprintf(&b, "%s,sha256=%s,%d\n", m.name, base64.RawURLEncoding.EncodeToString(sum[:]), len(m.content))
	}
	fmt.Fprintf(&b, "%sRECORD,,\n", info)
	return []byte(b.String())
}
