package canon

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits on what [JSON] accepts.
const (
	MaxDepth = 512     // levels of arrays and objects
	MaxSize  = 1 << 30 // bytes
)

// JSON returns the canonical form of somebody else's JSON text, by which two
// bodies that say the same thing have the same digest:
//
//	{ "b": 1.0, "a": "\u0041\/" }   becomes   {"a":"A/","b":1.0}
//
// White space goes, members are sorted by the UTF-16 code units of their
// names and strings get the escapes of RFC 8785; number literals stay exactly
// as they were written, because rounding one to a float64, as RFC 8785 does,
// would make equal what a server may tell apart.
//
// body must be RFC 8259 and more strictly so than most readers ask: valid
// UTF-8 without a byte order mark, no name twice in an object, no lone
// surrogate, nothing after the value, within [MaxDepth] and [MaxSize]. Anything
// else is an error, which names the byte. JSON is its own inverse: of its own
// output it returns an equal copy.
func JSON(body []byte) ([]byte, error) {
	if !utf8.Valid(body) {
		return nil, errors.New("not JSON: not valid UTF-8")
	}
	if len(body) > MaxSize {
		return nil, fmt.Errorf("not JSON: longer than %d bytes", MaxSize)
	}
	c := canonisers.Get().(*canoniser)
	defer canonisers.Put(c)
	c.src, c.pos, c.depth, c.members, c.names = body, 0, 0, c.members[:0], c.names[:0]
	c.dst = make([]byte, 0, len(body)+16)
	err := c.text()
	dst := c.dst
	c.src, c.dst = nil, nil
	if cap(c.scratch) > 1<<20 || cap(c.members) > 1<<14 || cap(c.names) > 1<<10 {
		*c = canoniser{}
	}
	if err != nil {
		return nil, err
	}
	return dst, nil
}

var canonisers = sync.Pool{New: func() any { return new(canoniser) }}

// A canoniser reads src once and writes dst as it goes; an object whose
// members come out of order is put in order when it closes.
type canoniser struct {
	src, dst []byte
	pos      int
	depth    int
	members  []member // of the objects that are open, innermost last
	names    [][]byte // decoded
	scratch  []byte
}

// A member is a name with its value as they stand in dst. It is small because
// a hostile body has millions.
type member struct {
	start, nameEnd, end int32 // of `"name":value`; nameEnd is after the quote
	name                int32 // in names, plus one, when it is written with an escape
}

func (c *canoniser) fail(what string) error {
	return fmt.Errorf("not JSON: byte %d: %s", c.pos, what)
}

func (c *canoniser) text() error {
	c.space()
	if err := c.value(); err != nil {
		return err
	}
	c.space()
	if c.pos != len(c.src) {
		return c.fail("something after the value")
	}
	return nil
}

func (c *canoniser) space() {
	for c.pos < len(c.src) {
		switch c.src[c.pos] {
		case ' ', '\n', '\r', '\t':
			c.pos++
		default:
			return
		}
	}
}

// peek returns the next byte, 0 at the end.
func (c *canoniser) peek() byte {
	if c.pos < len(c.src) {
		return c.src[c.pos]
	}
	return 0
}

func (c *canoniser) value() error {
	switch b := c.peek(); b {
	case '"':
		return c.str()
	case '{', '[':
		if c.depth++; c.depth > MaxDepth {
			return c.fail(fmt.Sprintf("nested deeper than %d levels", MaxDepth))
		}
		read := c.array
		if b == '{' {
			read = c.object
		}
		err := read()
		c.depth--
		return err
	case 't':
		return c.literal("true")
	case 'f':
		return c.literal("false")
	case 'n':
		return c.literal("null")
	}
	return c.number()
}

func (c *canoniser) literal(word string) error {
	if !bytes.HasPrefix(c.src[c.pos:], []byte(word)) {
		return c.fail("a value is missing")
	}
	c.pos += len(word)
	c.dst = append(c.dst, word...)
	return nil
}

// number copies a number of RFC 8259, section 6.
func (c *canoniser) number() error {
	start := c.pos
	if c.peek() == '-' {
		c.pos++
	}
	if c.peek() == '0' {
		c.pos++
	} else if !c.digits() {
		return c.fail("a value is missing")
	}
	if c.peek() == '.' {
		c.pos++
		if !c.digits() {
			return c.fail("a digit is missing")
		}
	}
	if b := c.peek(); b == 'e' || b == 'E' {
		c.pos++
		if b := c.peek(); b == '+' || b == '-' {
			c.pos++
		}
		if !c.digits() {
			return c.fail("a digit is missing")
		}
	}
	c.dst = append(c.dst, c.src[start:c.pos]...)
	return nil
}

func (c *canoniser) digits() bool {
	start := c.pos
	for b := c.peek(); '0' <= b && b <= '9'; b = c.peek() {
		c.pos++
	}
	return c.pos > start
}

func (c *canoniser) array() error {
	c.pos++
	c.dst = append(c.dst, '[')
	c.space()
	if c.peek() == ']' {
		c.pos++
		c.dst = append(c.dst, ']')
		return nil
	}
	for {
		c.space()
		if err := c.value(); err != nil {
			return err
		}
		c.space()
		b := c.peek()
		if b != ',' && b != ']' {
			return c.fail("a comma or ] is missing")
		}
		c.pos++
		c.dst = append(c.dst, b)
		if b == ']' {
			return nil
		}
	}
}

func (c *canoniser) object() error {
	c.pos++
	start, base := len(c.dst), len(c.members)
	c.dst = append(c.dst, '{')
	c.space()
	if c.peek() == '}' {
		c.pos++
		c.dst = append(c.dst, '}')
		return nil
	}
	sorted := true
	for {
		m, err := c.member()
		if err != nil {
			return err
		}
		if k := len(c.members); k > base && sorted {
			sorted = compareKeys(c.name(c.members[k-1]), c.name(m)) < 0
		}
		c.members = append(c.members, m)
		b := c.peek()
		if b != ',' && b != '}' {
			return c.fail("a comma or } is missing")
		}
		c.pos++
		c.dst = append(c.dst, b)
		if b == '}' {
			break
		}
		c.space()
	}
	if !sorted {
		if err := c.sort(start, c.members[base:]); err != nil {
			return err
		}
	}
	c.members = c.members[:base]
	return nil
}

func (c *canoniser) member() (member, error) {
	m := member{start: int32(len(c.dst))}
	if c.peek() != '"' {
		return m, c.fail("a member name is missing")
	}
	if err := c.str(); err != nil {
		return m, err
	}
	m.nameEnd = int32(len(c.dst))
	if text := c.dst[m.start+1 : m.nameEnd-1]; bytes.IndexByte(text, '\\') >= 0 {
		c.names = append(c.names, unescape(text))
		m.name = int32(len(c.names))
	}
	c.space()
	if c.peek() != ':' {
		return m, c.fail("a colon is missing")
	}
	c.pos++
	c.dst = append(c.dst, ':')
	c.space()
	if err := c.value(); err != nil {
		return m, err
	}
	m.end = int32(len(c.dst))
	c.space()
	return m, nil
}

// name returns the decoded name of m.
func (c *canoniser) name(m member) []byte {
	if m.name != 0 {
		return c.names[m.name-1]
	}
	return c.dst[m.start+1 : m.nameEnd-1]
}

// sort writes the members of the object that begins at start in the order of
// their names.
func (c *canoniser) sort(start int, members []member) error {
	slices.SortFunc(members, func(a, b member) int { return compareKeys(c.name(a), c.name(b)) })
	for i := 1; i < len(members); i++ {
		if bytes.Equal(c.name(members[i-1]), c.name(members[i])) {
			return fmt.Errorf("not JSON: the name %.80q stands twice in one object", c.name(members[i]))
		}
	}
	c.scratch = append(c.scratch[:0], c.dst[start:]...)
	c.dst = c.dst[:start+1]
	for i, m := range members {
		if i > 0 {
			c.dst = append(c.dst, ',')
		}
		c.dst = append(c.dst, c.scratch[int(m.start)-start:int(m.end)-start]...)
	}
	c.dst = append(c.dst, '}')
	return nil
}

// str copies a string, escapes put in the form of RFC 8785.
func (c *canoniser) str() error {
	c.pos++
	c.dst = append(c.dst, '"')
	for {
		n := plain(c.src[c.pos:])
		c.dst = append(c.dst, c.src[c.pos:c.pos+n]...)
		c.pos += n
		switch c.peek() {
		case '"':
			c.pos++
			c.dst = append(c.dst, '"')
			return nil
		case '\\':
			if err := c.escape(); err != nil {
				return err
			}
		default:
			if c.pos == len(c.src) {
				return c.fail("a string does not end")
			}
			return c.fail("a control character in a string")
		}
	}
}

// plain returns how many bytes of b stand in a string as they are, looking at
// eight at a time.
func plain(b []byte) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	i := 0
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		quote, slash := w^ones*'"', w^ones*'\\'
		// Each term has a high bit in the bytes that are zero, or below 0x20;
		// a borrow may set more of them, never fewer.
		if ((quote-ones)&^quote|(slash-ones)&^slash|(w-ones*0x20)&^w)&highs != 0 {
			break
		}
	}
	for ; i < len(b); i++ {
		if b[i] < 0x20 || b[i] == '"' || b[i] == '\\' {
			break
		}
	}
	return i
}

// escape copies one escape sequence, or the two of a surrogate pair.
func (c *canoniser) escape() error {
	if c.pos+1 >= len(c.src) {
		return c.fail("a string does not end")
	}
	b := c.src[c.pos+1]
	switch b {
	case '"', '\\', 'b', 'f', 'n', 'r', 't':
		c.dst = append(c.dst, '\\', b)
		c.pos += 2
		return nil
	case '/':
		c.dst = append(c.dst, '/')
		c.pos += 2
		return nil
	case 'u':
	default:
		return c.fail("an unknown escape")
	}
	r, ok := hex4(c.src[c.pos:])
	if !ok {
		return c.fail("a malformed escape")
	}
	n := 6
	if utf16.IsSurrogate(r) {
		low, ok := hex4(c.src[c.pos+6:])
		if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
			return c.fail("a lone surrogate")
		}
		n = 12
	}
	c.pos += n
	c.dst = appendRune(c.dst, r)
	return nil
}

// hex4 reads the code unit of a \uXXXX at the start of b.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, d := range b[2:6] {
		switch {
		case '0' <= d && d <= '9':
			d -= '0'
		case 'a' <= d && d <= 'f':
			d -= 'a' - 10
		case 'A' <= d && d <= 'F':
			d -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}

// appendRune appends r as it stands in a canonical string.
func appendRune(dst []byte, r rune) []byte {
	if r >= 0x20 && r != '"' && r != '\\' {
		return utf8.AppendRune(dst, r)
	}
	return appendEscape(dst, byte(r))
}

// unescape decodes the inside of a canonical string.
func unescape(text []byte) []byte {
	b := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			b = append(b, text[i])
			continue
		}
		i++
		switch text[i] {
		case 'u':
			r, _ := hex4(text[i-1:])
			b = append(b, byte(r))
			i += 4
		default:
			b = append(b, unescaped[text[i]])
		}
	}
	return b
}

// unescaped is what a letter after a backslash stands for.
var unescaped = [256]byte{'"': '"', '\\': '\\', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}
