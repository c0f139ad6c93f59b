package modelserver

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The kinds of misbehaviour. A status is a kind too.
const (
	kindCut        = "cut"
	kindStall      = "stall"
	kindSilent     = "silent"
	kindReset      = "reset"
	kindBadLength  = "badlength"
	kindMalformed  = "malformed"
	kindOverloaded = "overloaded"
	kindRedirect   = "redirect"
	kindEcho       = "echo"
	kindBig        = "big"
	kindDeep       = "deep"
	kindCoded      = "coded"
	kindLoop       = "loop"
	kindStatus     = "status" // never written: stands for 400 … 599
)

// parameters are the kinds and the parameters that each may have.
var parameters = map[string][]string{
	kindSilent: {}, kindReset: {}, kindMalformed: {}, kindOverloaded: {},
	kindCut:       {"coding"},
	kindStall:     {"coding"},
	kindCoded:     {"coding"},
	kindLoop:      {"results"},
	kindBadLength: {"short"},
	kindRedirect:  {"to", "code", "hops"},
	kindEcho:      {"as", "chunks", "pad", "coding", "trailers", "names"},
	kindBig:       {"bytes"},
	kindDeep:      {"depth"},
	kindStatus:    {"retry-after", "retry-after-ms"},
}

// A directive is one thing that a client asks for.
type directive struct {
	kind   string
	status int // of kindStatus
	once   bool
	params map[string]string // a parameter without a value has ""
}

// parseDirectives reads the value of an x-sample header: directives separated
// by commas, each a kind and parameters separated by semicolons.
func parseDirectives(text string) ([]directive, error) {
	var out []directive
	for one := range strings.SplitSeq(text, ",") {
		d, err := parseDirective(one)
		if err != nil {
			return nil, fmt.Errorf("x-sample: %w", err)
		}
		out = append(out, d)
	}
	return out, nil
}

func parseDirective(text string) (directive, error) {
	name, rest, more := strings.Cut(text, ";")
	name = strings.TrimSpace(name)
	d := directive{params: map[string]string{}}
	d.kind, d.once = strings.CutSuffix(name, "-once")
	if n, err := strconv.Atoi(d.kind); err == nil && n >= 400 && n <= 599 && strconv.Itoa(n) == d.kind {
		d.kind, d.status = kindStatus, n
	} else if d.kind == kindStatus || parameters[d.kind] == nil {
		return d, fmt.Errorf("no such kind: %q", name)
	}
	for more {
		var param string
		param, rest, more = strings.Cut(rest, ";")
		key, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if !slices.Contains(parameters[d.kind], key) {
			return d, fmt.Errorf("%s: no such parameter: %q", name, key)
		}
		if _, twice := d.params[key]; twice {
			return d, fmt.Errorf("%s: %s: given twice", name, key)
		}
		d.params[key] = value
	}
	return d, d.check()
}

// check refuses parameters whose values make no sense.
func (d *directive) check() error {
	for _, n := range []struct {
		name   string
		lo, hi int
	}{{"retry-after", 0, 3600}, {"retry-after-ms", 0, 3600_000}, {"results", 1, 100}, {"hops", 1, 1000}, {"pad", 0, 1024}, {"bytes", 0, 1 << 30}, {"depth", 1, 10_000_000}} {
		if _, err := d.number(n.name, n.lo, n.lo, n.hi); err != nil {
			return err
		}
	}
	if _, err := d.chunks(); err != nil {
		return err
	}
	if as, ok := d.params["as"]; ok && !slices.Contains(echoForms, as) {
		return fmt.Errorf("as: %q: not one of %s", as, strings.Join(echoForms, " "))
	}
	if code, ok := d.params["code"]; ok && !slices.Contains([]string{"301", "302", "303", "307", "308"}, code) {
		return fmt.Errorf("code: %q: not a redirect", code)
	}
	if coding, ok := d.params["coding"]; ok && !isToken(coding) {
		return fmt.Errorf("coding: %q: not a token", coding)
	}
	if to, ok := d.params["to"]; ok {
		u, err := url.Parse(to)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != to {
			return fmt.Errorf("to: %q: not an origin such as http://127.0.0.1:8080", to)
		}
	}
	return nil
}

// number returns a parameter, or what stands for it when it is not given.
func (d *directive) number(name string, otherwise, lo, hi int) (int, error) {
	text, ok := d.params[name]
	if !ok {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < lo || n > hi {
		return 0, fmt.Errorf("%s: %q: not a number from %d to %d", name, text, lo, hi)
	}
	return n, nil
}

// checked is number after check.
func (d *directive) checked(name string, otherwise int) int {
	n, err := d.number(name, otherwise, 0, 1<<30)
	if err != nil {
		panic("modelserver: internal error: " + err.Error())
	}
	return n
}

// chunks returns the sizes of the pieces of an echo; nil when none are given.
func (d *directive) chunks() ([]int, error) {
	text, ok := d.params["chunks"]
	if !ok {
		return nil, nil
	}
	var sizes []int
	for one := range strings.SplitSeq(text, "+") {
		n, err := strconv.Atoi(one)
		if err != nil || n < 1 || n > maxBody {
			return nil, fmt.Errorf("chunks: %q: not numbers joined by +", text)
		}
		sizes = append(sizes, n)
	}
	return sizes, nil
}

// has tells whether a parameter is given.
func (d *directive) has(name string) bool {
	_, ok := d.params[name]
	return ok
}

// String is the inverse of [parseDirective], with the parameters in order.
func (d *directive) String() string {
	s := d.kind
	if d.kind == kindStatus {
		s = strconv.Itoa(d.status)
	}
	if d.once {
		s += "-once"
	}
	for _, name := range slices.Sorted(maps.Keys(d.params)) {
		s += "; " + name
		if v := d.params[name]; v != "" {
			s += "=" + v
		}
	}
	return s
}

// fault finds what a request asks for: the first directive that applies.
func (s *server) fault(x *exchange) (*directive, error) {
	list, err := directivesOf(x)
	if err != nil {
		return nil, err
	}
	for i := range list {
		d := &list[i]
		followed := d.kind == kindRedirect && hop(x.r.URL) >= d.checked("hops", 1)
		if !followed && (!d.once || s.first(x, d)) {
			return d, nil
		}
	}
	return nil, nil
}

// directivesOf reads the directives of a request, in its header or else in the
// name of its model.
func directivesOf(x *exchange) ([]directive, error) {
	if text := x.r.Header.Get("x-sample"); text != "" {
		return parseDirectives(text)
	}
	if x.a == nil {
		return nil, nil
	}
	kind, ok := strings.CutPrefix(x.a.model, "sample-")
	if !ok {
		return nil, nil
	}
	d, err := parseDirective(kind)
	if err != nil {
		return nil, nil // the name of a model like any other
	}
	if d.kind == kindEcho && !d.has("as") {
		d.params["as"] = echoReply
	}
	return []directive{d}, nil
}

// maxOnce bounds the memory that requests asking for KIND-once take.
const maxOnce = 1 << 16

// first tells whether a request is seen for the first time, the third time and
// so on.
func (s *server) first(x *exchange, d *directive) bool {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s\n", d, x.r.Method, x.r.URL.RequestURI())
	h.Write(x.body)
	key := [sha256.Size]byte(h.Sum(nil))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.once[key] {
		delete(s.once, key)
		return false
	}
	if len(s.once) >= maxOnce {
		clear(s.once)
	}
	s.once[key] = true
	return true
}

// isToken tells whether text is a token of RFC 9110 section 5.6.2.
func isToken(text string) bool {
	for i := range len(text) {
		if !isTokenByte(text[i]) {
			return false
		}
	}
	return text != ""
}

func isTokenByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
