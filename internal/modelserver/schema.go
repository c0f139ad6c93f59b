package modelserver

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// maxSchemaDepth bounds the values that are made up; below it everything is a
// string.
const maxSchemaDepth = 8

// A schema is the part of JSON Schema (draft 2020-12) that providers accept
// for tools and that is needed to make a value up. Gemini writes types in
// upper case.
type schema struct {
	Type       any                `json:"type"` // a name, or a list of names
	Properties map[string]*schema `json:"properties"`
	Required   []string           `json:"required"`
	Items      *schema            `json:"items"`
	Enum       []any              `json:"enum"`
	Const      any                `json:"const"`
	AnyOf      []*schema          `json:"anyOf"`
	Minimum    *float64           `json:"minimum"`
	Maximum    *float64           `json:"maximum"`
}

// typeName returns the type that is asked for, the first of several.
func (c *schema) typeName() string {
	switch t := c.Type.(type) {
	case string:
		return strings.ToLower(t)
	case []any:
		if len(t) > 0 {
			name, _ := t[0].(string)
			return strings.ToLower(name)
		}
	}
	if len(c.Properties) > 0 {
		return "object"
	}
	return "string"
}

// value makes up a value that a schema allows. Without a schema it is an
// object with one text.
func (s *sampler) value(raw json.RawMessage) any {
	var c *schema
	if json.Unmarshal(raw, &c) != nil || c == nil {
		return object{"answer", s.sentence()}
	}
	return s.valueOf(c, maxSchemaDepth)
}

func (s *sampler) valueOf(c *schema, depth int) any {
	switch {
	case c == nil || depth == 0:
		return s.phrase()
	case c.Const != nil:
		return c.Const
	case len(c.Enum) > 0:
		return pick(c.Enum)
	case len(c.AnyOf) > 0:
		return s.valueOf(c.AnyOf[0], depth-1)
	}
	switch c.typeName() {
	case "object":
		return s.objectOf(c, depth)
	case "array":
		list := make([]any, between(1, 3))
		for i := range list {
			list[i] = s.valueOf(c.Items, depth-1)
		}
		return list
	case "integer":
		lo, hi := c.bounds()
		return between(lo, hi)
	case "number":
		lo, hi := c.bounds()
		return min(float64(between(lo, hi))+float64(intn(100))/100, float64(hi))
	case "boolean":
		return oneIn(2)
	case "null":
		return nil
	}
	return s.phrase()
}

// objectOf makes up an object: all required members, and each other one half
// of the time. Without a list of the required ones all of them are there.
func (s *sampler) objectOf(c *schema, depth int) object {
	o := object{}
	for _, name := range slices.Sorted(maps.Keys(c.Properties)) {
		if c.Required != nil && !slices.Contains(c.Required, name) && oneIn(2) {
			continue
		}
		o = append(o, name, s.valueOf(c.Properties[name], depth-1))
	}
	return o
}

// bounds returns the whole numbers between which a number lies: 0 to 100, or
// 100 away from the one bound given.
func (c *schema) bounds() (lo, hi int) {
	const limit = 1 << 53 // whole numbers beyond it are not exact
	lo, hi = 0, 100
	if c.Minimum != nil {
		lo = int(max(-limit, min(limit, *c.Minimum)))
		hi = lo + 100
	}
	if c.Maximum != nil {
		hi = int(max(-limit, min(limit, *c.Maximum)))
	}
	if c.Minimum == nil && hi < lo {
		lo = hi - 100
	}
	return lo, max(lo, hi)
}
