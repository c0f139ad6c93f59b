package report

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/coo-runtime/coo/internal/wire"
)

// Classes of difference between two questions of a program, beside those of
// [CallClass].
const (
	VolatileField = "volatile field" // what differs is different every time, and rules may leave it out
	NewCall       = "new call"       // nothing like it was recorded
	OtherOrder    = "order"          // the same was recorded, but not so often or not here
	MissingCall   = "missing call"   // it was recorded, and is not made any more
)

// Advice is what to do about a question of a program that differs from the
// recorded one most like it.
type Advice struct {
	Class string
	// Ignore are the rules, in the form of the flag --ignore, under which the
	// two are the same question; none when no rules can make them so.
	Ignore []string
	Why    string // there are none
}

// maxIgnore is how many rules are proposed at most.
const maxIgnore = 20

// Advise compares two questions of a program and looks for the rules that
// would make them the same: a rule for each place in which they differ, unless
// that decides what the answer is. The rules are tried before they are told.
func Advise(old, new *Request) Advice {
	a := Advice{Class: CallClass(old, new)}
	switch a.Class {
	case SameCall:
		a.Class = OtherOrder
		return a
	case ChangedAddress:
		a.Class, a.Why = NewCall, "method and URL always count"
		return a
	}
	d := differ(old, new)
	if d.why != "" {
		a.Why = d.why
		return a
	}
	for d.narrowest() {
		if d.same(old, new) {
			a.Ignore = d.flags()
			if d.volatile {
				a.Class = VolatileField
			}
			return a
		}
	}
	a.Why = "no rule leaves out just that"
	return a
}

// A difference is where two questions differ, as rules would name it.
type difference struct {
	headers  []string
	pointers []string
	volatile bool   // every value in it looks like one that is never the same twice
	why      string // no rules can help
	tried    bool
}

func differ(old, new *Request) *difference {
	d := &difference{volatile: true}
	if old.URL != new.URL {
		d.why = "the URL always counts"
		return d
	}
	d.headers = changedNames(old.Headers, new.Headers)
	for _, name := range d.headers {
		v := strings.Join(slices.Concat(values(old.Headers, name), values(new.Headers, name)), "")
		d.volatile = d.volatile && isVolatile(v)
	}
	if bytes.Equal(old.Body, new.Body) && old.BodyKind == new.BodyKind {
		return d
	}
	changes, ok := JSONDiff(old.Body, new.Body)
	if !ok {
		d.why = "a body that is not JSON counts as a whole"
		return d
	}
	for _, c := range changes {
		if !mayIgnore(c.Path) {
			d.why = OneLine(c.Path, 120) + " decides what the answer is, and always counts"
			return d
		}
		d.pointers = append(d.pointers, c.Path)
		d.volatile = d.volatile && (c.Old == "" || isVolatile(c.Old)) && (c.New == "" || isVolatile(c.New))
	}
	return d
}

// mayIgnore reports whether a rule may name a place in a body.
func mayIgnore(path string) bool {
	if path == "" {
		return false
	}
	_, err := wire.ParseIgnore(path)
	return err == nil
}

// narrowest makes the rules a step wider, the first time as they are: what came
// into a list or went from it moves what follows, so that only what is around
// it can be left out. It reports whether there is such a step.
func (d *difference) narrowest() bool {
	if !d.tried {
		d.tried = true
		return true
	}
	moved := false
	for i, p := range d.pointers {
		if up := p[:strings.LastIndexByte(p, '/')]; mayIgnore(up) {
			d.pointers[i], moved = up, true
		}
	}
	slices.Sort(d.pointers)
	d.pointers = slices.Compact(d.pointers)
	return moved
}

// same reports whether the two questions are the same under the rules.
func (d *difference) same(old, new *Request) bool {
	if len(d.headers)+len(d.pointers) > maxIgnore {
		return false
	}
	var list []wire.Ignore
	for _, f := range d.flags() {
		ig, err := wire.ParseIgnore(f)
		if err != nil {
			return false
		}
		list = append(list, ig)
	}
	rules, err := wire.UserRules(list)
	if err != nil || rules == nil {
		return false
	}
	oldHeaders, oldBody := rules.Without(old.URL, old.Headers, old.Body)
	newHeaders, newBody := rules.Without(new.URL, new.Headers, new.Body)
	return slices.Equal(oldHeaders, newHeaders) && bytes.Equal(oldBody, newBody)
}

// flags are the rules in the form of the flag --ignore.
func (d *difference) flags() []string {
	var out []string
	for _, name := range d.headers {
		out = append(out, "header:"+name)
	}
	return append(out, d.pointers...)
}

// volatileForms are what values look like that are made anew each time: UUIDs,
// times, long numbers, long runs of hexadecimal or base64 characters, and words
// that end in one.
var volatileForms = regexp.MustCompile(`(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}` +
	`|\d{4}-\d{2}-\d{2}[t ]\d{2}:\d{2}|\d{2}:\d{2}:\d{2}|\d{9,}|[0-9a-f]{16,}|^"?/(tmp|var/folders)/`)

// isVolatile reports whether a value, JSON or a header's, looks like one that
// is never the same twice.
func isVolatile(v string) bool {
	return volatileForms.MatchString(v) || len(v) >= 16 && looksRandom(v)
}

// looksRandom reports whether a value has a long run of letters of both cases
// and digits.
func looksRandom(v string) bool {
	for _, word := range strings.FieldsFunc(v, func(r rune) bool {
		return !('0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	}) {
		if len(word) >= 16 && strings.ContainsAny(word, "0123456789") && strings.ToLower(word) != word {
			return true
		}
	}
	return false
}

// text says what the advice is, on one line, to follow "rule: ".
func (a Advice) text() string {
	if len(a.Ignore) == 0 {
		return "none: " + a.Why
	}
	var flags []string
	for _, f := range a.Ignore {
		flags = append(flags, "--ignore "+quoteFlag(OneLine(f, 160)))
	}
	return "if it should be the same call: " + strings.Join(flags, " ")
}

// quoteFlag puts an argument in quotes where a shell needs them.
func quoteFlag(s string) string { return commandLine([]string{s}) }

// example says in what a place differs, cut to one line.
func example(c Change) string {
	old, new := around(c.Old, c.New)
	switch c.Kind {
	case Added:
		return "added " + new
	case Removed:
		return "removed " + old
	}
	return fmt.Sprintf("%s → %s", old, new)
}
