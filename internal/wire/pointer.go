package wire

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/coo-runtime/coo/internal/canon"
)

// A PointerRule leaves members of a JSON body out of the identity.
type PointerRule struct {
	Class   string `json:"class"`   // client, credential, user
	Reason  string `json:"reason"`  // in words, for people
	Host    string `json:"host"`    // lower-case; empty: any
	Pointer string `json:"pointer"` // RFC 6901: "/metadata/user_id"

	tokens []string
}

// parsePointer takes an RFC 6901 pointer apart. The empty one, which names
// the whole body, is refused.
func parsePointer(s string) ([]string, error) {
	if !strings.HasPrefix(s, "/") {
		return nil, fmt.Errorf("pointer %.80q: it must begin with / (RFC 6901)", s)
	}
	tokens := strings.Split(s[1:], "/")
	for i, t := range tokens {
		if strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(t), "~") {
			return nil, fmt.Errorf("pointer %.80q: ~ must be written ~0", s)
		}
		tokens[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(t)
	}
	if len(tokens) > 32 {
		return nil, errors.New("pointer: more than 32 levels")
	}
	return tokens, nil
}

// A cutter copies canonical JSON without the members that rules name.
type cutter struct {
	src, out []byte
	pos      int
	// cut is called with a rule and the value it names, and reports whether
	// the value goes.
	cut func(r *PointerRule, value []byte) bool
}

// A live is a rule whose first tokens led to where the cutter is.
type live struct {
	rule *PointerRule
	rest []string
}

// cutPointers returns doc, canonical JSON, without the members that rules
// name and cut lets go. It returns doc itself when that is none.
func cutPointers(doc []byte, rules []*PointerRule, cut func(*PointerRule, []byte) bool) []byte {
	if len(rules) == 0 || len(doc) == 0 || doc[0] != '{' && doc[0] != '[' {
		return doc
	}
	c := &cutter{src: doc, cut: cut}
	var at []live
	for _, r := range rules {
		at = append(at, live{r, r.tokens})
	}
	c.value(at)
	if len(c.out) == len(doc) {
		return doc
	}
	return c.out
}

// value copies the value at c.pos, in which the rules at look further.
func (c *cutter) value(at []live) {
	if len(at) == 0 || c.src[c.pos] != '{' && c.src[c.pos] != '[' {
		end := skipValue(c.src, c.pos)
		c.out = append(c.out, c.src[c.pos:end]...)
		c.pos = end
		return
	}
	object := c.src[c.pos] == '{'
	c.copy(1)
	kept := 0
	for n := 0; c.src[c.pos] != '}' && c.src[c.pos] != ']'; n++ {
		if c.src[c.pos] == ',' {
			c.pos++
		}
		mark := len(c.out)
		if kept > 0 {
			c.out = append(c.out, ',')
		}
		if c.element(object, n, at) {
			c.out = c.out[:mark]
			continue
		}
		kept++
	}
	c.copy(1)
}

// element copies the member or element n at c.pos and reports whether it is
// to be forgotten again.
func (c *cutter) element(object bool, n int, at []live) (gone bool) {
	token := strconv.Itoa(n)
	if object {
		end := skipValue(c.src, c.pos)
		token = memberName(c.src[c.pos:end])
		c.out = append(append(c.out, c.src[c.pos:end]...), ':')
		c.pos = end + 1
	}
	var deeper []live
	for _, l := range at {
		if l.rest[0] != token {
			continue
		}
		if len(l.rest) > 1 {
			deeper = append(deeper, live{l.rule, l.rest[1:]})
			continue
		}
		end := skipValue(c.src, c.pos)
		if c.cut(l.rule, c.src[c.pos:end]) {
			c.pos = end
			return true
		}
	}
	c.value(deeper)
	return false
}

func (c *cutter) copy(n int) {
	c.out = append(c.out, c.src[c.pos:c.pos+n]...)
	c.pos += n
}

// memberName decodes a string literal of canonical JSON.
func memberName(lit []byte) string {
	if bytes.IndexByte(lit, '\\') < 0 {
		return string(lit[1 : len(lit)-1])
	}
	s := canon.NewScanner(lit)
	return s.String()
}

// skipValue returns where the value that begins at pos of canonical JSON ends.
func skipValue(src []byte, pos int) int {
	depth := 0
	for pos < len(src) {
		switch src[pos] {
		case '"':
			pos = skipString(src, pos)
			if depth == 0 {
				return pos
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return pos
			}
			if depth--; depth == 0 {
				return pos + 1
			}
		case ',', ':':
			if depth == 0 {
				return pos
			}
		}
		pos++
	}
	return pos
}

// skipString returns where the string that begins at pos ends.
func skipString(src []byte, pos int) int {
	for pos++; pos < len(src); pos++ {
		i := bytes.IndexByte(src[pos:], '"')
		if i < 0 {
			return len(src)
		}
		pos += i
		back := 0
		for src[pos-1-back] == '\\' {
			back++
		}
		if back%2 == 0 {
			return pos + 1
		}
	}
	return pos
}
