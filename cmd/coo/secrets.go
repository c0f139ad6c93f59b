package main

import (
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/sandbox"
	"github.com/coo-runtime/coo/internal/wire"
)

// minSecret and maxSecret bound the values that can be told from ordinary
// text, and searched for, in bytes.
const (
	minSecret = 8
	maxSecret = 16384
)

// canKeepOut reports whether a value can be searched for in all that is stored,
// and stand there by its name.
func canKeepOut(name, value string) bool {
	return minSecret <= len(value) && len(value) <= maxSecret && wire.CheckSecretName(name) == nil
}

// credentials are those in coo's own environment, variables whose names say
// so, and in the .env files of a workspace. Nothing that a run stores may hold
// one of the values.
type credentials struct {
	names []string      // sorted
	known *wire.Secrets // nil: there are none
	dot   *dotEnv
}

// credentialsOf returns those that hold for a workspace.
func credentialsOf(workspace string) (*credentials, error) {
	dot, err := readDotEnv(workspace)
	if err != nil {
		return nil, err
	}
	values := maps.Clone(dot.values)
	for _, kv := range os.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		_, named := values[name]
		if (named || secretName(name)) && canKeepOut(name, value) {
			values[name] = value
		}
	}
	c := &credentials{dot: dot}
	if len(values) > 0 {
		c.names = slices.Sorted(maps.Keys(values))
		if c.known, err = wire.NewSecrets(values); err != nil {
			return nil, err
		}
	}
	for i := range dot.files {
		// A value may be part of another: "Bearer …".
		dot.files[i][1] = string(c.known.Replace([]byte(dot.files[i][1])))
	}
	return c, nil
}

// lookup returns the value of a secret that a call needs. A variable that is
// set to nothing is none.
func (c *credentials) lookup(name string) (string, bool) {
	v := os.Getenv(name)
	if dot, ok := c.dot.values[name]; ok && len(v) < minSecret {
		return dot, true
	}
	return v, v != ""
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

// secretName reports whether a variable's name says that it holds a
// credential.
func secretName(name string) bool {
	if strings.EqualFold(name, "AWS_ACCESS_KEY_ID") {
		return true // no secret, but it comes and goes with one: a replay has neither
	}
	return password(name) || endsIn(name, "KEY", "TOKEN", "CREDENTIAL", "CREDENTIALS")
}

// password reports whether a variable's name says that what it holds is
// secret, however short.
func password(name string) bool {
	return endsIn(name, "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE")
}

func endsIn(name string, words ...string) bool {
	n := strings.ToUpper(name)
	return slices.ContainsFunc(words, func(end string) bool {
		return n == end || strings.HasSuffix(n, "_"+end) || strings.HasSuffix(n, "API"+end)
	})
}

// held returns the value of a secret that a program holds itself, because it
// signs with it.
func (c *credentials) held(name string) (string, bool) {
	if !sandbox.SigningKey(name) {
		return "", false
	}
	return c.lookup(name)
}
