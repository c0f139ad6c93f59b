package main

import (
	"os"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/wire"
)

// minSecret and maxSecret bound the values that can be told from ordinary
// text, and searched for, in bytes.
const (
	minSecret = 8
	maxSecret = 16384
)

// knownSecrets returns the names and values of the credentials in coo's own
// environment: variables whose names say so. Nothing that a run stores may
// hold one of the values.
func knownSecrets() ([]string, *wire.Secrets, error) {
	values := map[string]string{}
	var names []string
	for _, kv := range os.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		if secretName(name) && minSecret <= len(value) && len(value) <= maxSecret && wire.CheckSecretName(name) == nil {
			values[name] = value
			names = append(names, name)
		}
	}
	if len(values) == 0 {
		return nil, nil, nil
	}
	slices.Sort(names)
	s, err := wire.NewSecrets(values)
	return names, s, err
}

// valuesOf returns the values of those of the secrets called names that are set
// today, nil when none is.
func valuesOf(names []string) (*wire.Secrets, error) {
	values := map[string]string{}
	for _, name := range names {
		if v := os.Getenv(name); minSecret <= len(v) && len(v) <= maxSecret {
			values[name] = v
		}
	}
	if len(values) == 0 {
		return nil, nil
	}
	return wire.NewSecrets(values)
}

// lookupSecret returns the value of a secret that a call needs. A variable
// that is set to nothing is none.
func lookupSecret(name string) (string, bool) {
	v := os.Getenv(name)
	return v, v != ""
}

// secretName reports whether a variable's name says that it holds a
// credential.
func secretName(name string) bool {
	n := strings.ToUpper(name)
	if n == "AWS_ACCESS_KEY_ID" {
		return true // no secret, but it comes and goes with one: a replay has neither
	}
	for _, end := range []string{"KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "CREDENTIALS"} {
		if n == end || strings.HasSuffix(n, "_"+end) || strings.HasSuffix(n, "API"+end) {
			return true
		}
	}
	return false
}
