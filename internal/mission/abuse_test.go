package mission

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Each case is a mission that would take all memory, all time or the whole
// stack without a limit. It runs in a process of its own: the error must come
// from the mission, within seconds, and the process must stay below 1 GB.
var abuses = map[string]struct{ body, want string }{
	"list of a huge range":      {`list(range(1 << 62))`, `range: number too large`},
	"list of a large range":     {`list(range(1 << 30))`, `list: too many elements`},
	"repeated list":             {`[0] * (1 << 29)`, `too many elements`},
	"repeated tuple":            {`(1 << 40) * (0, 1)`, `too many elements`},
	"repeated text":             {`"ab" * (1 << 29)`, `text too long`},
	"repeated bytes":            {`b"ab" * (1 << 62)`, `text too long`},
	"repeated beyond a word":    {`"ab" * (1 << 100)`, `text too long`},
	"negative repeat":           {`coo.fail(str([len("ab" * -5), len([1] * -(1 << 30))]))`, `^\[0, 0\]$`},
	"squares":                   {"x = 3\nfor i in range(100): x = x * x", `integer too large`},
	"augmented squares":         {"x = 3\nfor i in range(100): x *= x", `integer too large`},
	"squares in a dict":         {"x = {0: 3}\nfor i in range(100): x[0] *= x[0]", `integer too large`},
	"squares in an attribute":   {"coo.unknown *= 3", `coo has no .unknown`},
	"sums":                      {"x = 1\nfor i in range(100000): x = x + x", `integer too large`},
	"differences":               {"x = 1\nfor i in range(100000): x = x - -x", `integer too large`},
	"shift":                     {`1 << 511 << 65535`, `integer too large|shift count too large`},
	"shifts":                    {"x = 1\nfor i in range(1000): x <<= 500", `integer too large`},
	"doubled text":              {"x = \"ab\"\nfor i in range(100): x += x", `text too long`},
	"doubled text in a list":    {"x = [\"ab\"]\nfor i in range(100): x[0] += x[0]", `text too long`},
	"doubled list":              {"x = [1]\nfor i in range(100): x += x", `too many elements`},
	"doubled tuple":             {"x = (1,)\nfor i in range(100): x = x + x", `too many elements`},
	"list += range":             {"x = []\nx += range(1 << 30)", `too many elements`},
	"list.extend of a range":    {`[].extend(range(1 << 30))`, `extend: too many elements`},
	"list.append for ever":      {"x = []\nfor i in range(1 << 30): x.append(i)", `append: too many elements`},
	"dict for ever":             {"x = {}\nfor i in range(1 << 30): x[i] = i", `too many entries`},
	"set for ever":              {"x = set()\nfor i in range(1 << 30): x.add(i)", `add: too many entries`},
	"comprehension for ever":    {`[0 for i in range(1 << 30)]`, `too many elements`},
	"wide comprehension":        {`[[0, 0, 0, 0, 0, 0, 0, 0, 0, 0] for i in range(4000000)]`, `too little memory`},
	"nested comprehension":      {`[0 for i in range(1 << 20) for j in range(1 << 20)]`, `too many elements`},
	"nested dict comprehension": {`{(i, j): 0 for i in range(1 << 20) for j in range(1 << 20)}`, `too many elements|too little memory`},
	"comprehensions in another": {"x = [[0 for k in range(3) for l in range(3)] for i in range(3) for j in range(3)]\ncoo.fail(str([len(x), len(x[8])]))", `^\[9, 9\]$`},
	"much in little":            {`[("a" * 30000000) + str(i) for i in range(1000)]`, `too little memory`},
	"copies by slices":          {"x = [0] * 4000000\n[x[:] for i in range(1000)]", `too little memory`},
	"star arguments":            {"def f(*a): pass\nf(*range(1 << 30))", `too many elements`},
	"double star arguments":     {"def f(**a): pass\nf(**{str(i): i for i in range(100000)})", `too many elements`},
	"join":                      {`("a" * 1000000).join(["b"] * 1000000)`, `join: text too long`},
	"replace":                   {`("a" * 1000000).replace("", "b" * 1000000)`, `replace: text too long`},
	"replace by getattr":        {`getattr("a" * 1000000, "replace")("a", "b" * 1000000)`, `replace: text too long`},
	"interpolation":             {`"%(a)s" * 1000000 % {"a": "b" * 1000000}`, `text too long`},
	"format":                    {`("{0}" * 1000000).format("b" * 1000000)`, `text too long`},
	"upper":                     {`("ɐ" * 16000000).upper()`, `text too long`},
	"split":                     {`("a" * 33000000).split("a")`, `split: too many elements`},
	"split at spaces":           {`("a " * 16000000).split()`, `split: too many elements`},
	"rsplit with room":          {`coo.fail(str("a b c".rsplit(None, 1 << 30)))`, `^\["a", "b", "c"\]$`},
	"splitlines":                {`("\n" * 33000000).splitlines()`, `splitlines: too many elements`},
	"codepoints":                {`list(("a" * 33000000).codepoints())`, `list: too many elements`},
	"elems of bytes":            {`sorted(bytes("a" * 33000000).elems())`, `sorted: too many elements`},
	"bytes of a range":          {`bytes(range(1 << 30))`, `bytes: t`},
	"zip":                       {`zip(*([range(4000000)] * 1000))`, `zip: too many elements`},
	"enumerate":                 {`enumerate(range(1 << 30))`, `enumerate: too many elements`},
	"max":                       {`max(range(1 << 30))`, `max: too many elements`},
	"any":                       {`any(range(0, 1))` + "\n" + `all(range(1, 1 << 30))`, `all: too many elements`},
	"deep list printed":         {"x = []\nfor i in range(200000): x = [x]\nstr(x)", `nested too deeply to be printed`},
	"deep list interpolated":    {"x = []\nfor i in range(200000): x = [x]\n\"%s\" % [x]", `nested too deeply to be printed`},
	"deep list logged":          {"x = []\nfor i in range(200000): x = [x]\nprint(x)", `nested too deeply to be printed`},
	"wide list printed":         {"x = [0]\nfor i in range(80): x = [x, x]\nrepr(x)", `text too long`},
	"wide lists compared":       {"x = [0] * 100\ny = [0] * 100\nfor i in range(8): x, y = [x] * 100, [y] * 100\nx == y", `values too large to compare`},
	"wide lists searched":       {"x = [0] * 100\ny = [0] * 100\nfor i in range(7): x, y = [x] * 100, [y] * 100\nx in [y] * 100", `values too large to compare`},
	"wide lists sorted":         {"x = [0] * 100\ny = [0] * 100\nfor i in range(8): x, y = [x] * 100, [y] * 100\nsorted([x, y])", `values too large to compare`},
	"deep tuple as a key":       {"x = ()\nfor i in range(6000000): x = (x,)\n{x: 1}", `key nested too deeply`},
	"deep tuple looked up":      {"x = ()\nfor i in range(200000): x = (x,)\n{1: 1}[x]", `key nested too deeply`},
	"deep tuple by get":         {"x = ()\nfor i in range(200000): x = (x,)\n{1: 1}.get(x)", `key nested too deeply`},
	"deep tuple by in":          {"x = ()\nfor i in range(200000): x = (x,)\nx in {1: 1}", `key nested too deeply`},
	"deep tuple not in":         {"x = ()\nfor i in range(200000): x = (x,)\nx not in set([1])", `key nested too deeply`},
	"deep tuple in a set":       {"x = ()\nfor i in range(200000): x = (x,)\nset([x])", `key nested too deeply`},
	"deep tuple in a union":     {"x = ()\nfor i in range(200000): x = (x,)\nset([1]).union([x])", `key nested too deeply`},
	"deep tuple in dict()":      {"x = ()\nfor i in range(200000): x = (x,)\ndict([(x, 1)])", `key nested too deeply`},
	"deep tuple comprehended":   {"x = ()\nfor i in range(200000): x = (x,)\n{y: 1 for y in [x]}", `key nested too deeply`},
	"deep tuple assigned":       {"x = ()\nfor i in range(200000): x = (x,)\nd = {}\nd[x] = 1", `key nested too deeply`},
	"deep tuple unpacked to":    {"x = ()\nfor i in range(200000): x = (x,)\nd = {}\nd[x], y = 1, 2", `key nested too deeply`},
	"deep tuple in a loop":      {"x = ()\nfor i in range(200000): x = (x,)\nd = {}\nfor d[x] in [1]: pass", `key nested too deeply`},
	"wide tuple as a key":       {"x = (0,)\nfor i in range(80): x = (x, x)\n{x: 1}", `key too large`},
	"deep tuple returned":       {"x = ()\nfor i in range(200000): x = (x,)\nreturn x", `nested too deeply`},
	"deep tuple captured":       {"x = ()\nfor i in range(200000): x = (x,)\ncoo.fail(str(coo.step('s', lambda: len(x))))", `^1$`},
	"deep list encoded":         {"x = []\nfor i in range(1000000): x = [x]\njson.encode(x)", `json.encode: nested too deeply`},
	"deep dict encoded":         {"x = {}\nfor i in range(50000): x = {'a': x}\ncoo.http('GET', 'http://h/', json = x)", `coo.http: json: nested too deeply`},
	"cycle encoded":             {"x = []\nx.append(x)\njson.encode(x)", `json.encode: a value that holds itself`},
	"wide list encoded":         {"x = [0]\nfor i in range(80): x = [x, x]\njson.encode(x)", `json.encode: text too long`},
	"deep text decoded":         {`json.decode("[" * 30000000)`, `json.decode: .*nested too deeply`},
	"deep objects decoded":      {`json.decode('{"a":' * 5000000)`, `json.decode: .*nested too deeply`},
	"long text decoded":         {`json.decode("[" + "0," * 8000000 + "0]")`, `json.decode: .*too many values`},
	"long number decoded":       {`json.decode("1" * 30000000)`, `json.decode: .*number too long`},
	"exponent decoded":          {`json.decode("1e999999999")`, `json.decode: .*number too large`},
	"indentation":               {`json.indent("[" * 500 + "]" * 500, indent = " " * 1000000)`, `json.indent: text too long`},
	"long int literal":          {`int("1" * 30000000)`, `int: text too long`},
	"power":                     {`math.pow(3, 1000000000)`, `math.pow: integer too large`},
	"powers of one":             {`coo.fail(str([math.pow(1, 1 << 40), math.pow(-1, 1 << 40), math.pow(-1, (1 << 40) + 1), math.pow(0, 0)]))`, `^\[1, 1, -1, 1\]$`},
	"steps":                     {"for i in range(1 << 30):\n    for j in range(1 << 30): pass", `too many steps: limits/1 allows 200000000`},
	"long error":                {`{}["a" * 30000000]`, `^key "aaaa`},
	"shuffle":                   {`coo.random.shuffle(range(1 << 30))`, `coo.random.shuffle: too many elements`},
	"sleep":                     {`coo.sleep(1e300)`, `coo.sleep: time too long`},
	"self-comparison of secret": {`coo.secret("A") + "a" * 33554432 + "b"`, `text too long`},
	"secrets doubled":           {"x = coo.secret(\"A\")\nfor i in range(60): x = x + x", `too many secrets in one text`},
}

// heavy are the cases that take seconds: they run when COO_PROOF is full.
var heavy = map[string]bool{
	"nested comprehension": true, "nested dict comprehension": true, "wide list printed": true, "list.append for ever": true,
	"deep tuple as a key": true, "set for ever": true, "dict for ever": true, "differences": true,
	"wide comprehension": true, "wide list encoded": true, "copies by slices": true, "sums": true,
	"steps": true, "doubled tuple": true, "upper": true,
}

func fullProof() bool { return os.Getenv("COO_PROOF") == "full" }

const abuseEnv = "MISSION_ABUSE"

func TestMain(m *testing.M) {
	if name := os.Getenv(abuseEnv); name != "" {
		abuse(name)
		return
	}
	os.Exit(m.Run())
}

type abuseReport struct {
	Msg   string
	Fatal string
	JSON  string
	Peak  int // KiB, as the kernel saw it
}

// abuse runs one case and reports on stdout.
func abuse(name string) {
	body := strings.ReplaceAll(abuses[name].body, "\n", "\n    ")
	p, err := Load("m.star", func(string) ([]byte, error) {
		return []byte("def main(coo):\n    " + body + "\n"), nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := p.Run(newFake(), Options{Overload: overload})
	var out abuseReport
	if r.Err != nil {
		out.Msg = r.Err.Msg
	}
	if r.Fatal != nil {
		out.Fatal = r.Fatal.Error()
	}
	out.JSON = string(r.JSON)
	status, _ := os.ReadFile("/proc/self/status")
	if m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status); m != nil {
		out.Peak, _ = strconv.Atoi(string(m[1]))
	}
	line, _ := json.Marshal(out)
	fmt.Println(string(line))
}

// overload is a model of what the run layer does.
func overload() error {
	const most = 400 << 20
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapAlloc < most {
		return nil
	}
	runtime.GC()
	runtime.ReadMemStats(&m)
	if m.HeapAlloc < most {
		return nil
	}
	return errors.New("too little memory")
}

func TestAbuse(t *testing.T) {
	if raceEnabled {
		return // the detector takes memory of its own: tools/test.sh runs this without it
	}
	for _, name := range sortedKeys(abuses) {
		if !fullProof() && heavy[name] {
			continue // these take seconds
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), abuseEnv+"="+name)
			start := time.Now()
			raw, err := cmd.Output()
			var r abuseReport
			if jerr := json.Unmarshal(raw, &r); err != nil || jerr != nil {
				t.Fatalf("the process died: %v\n%.500s", err, raw)
			}
			if got := r.Msg + r.Fatal; !regexp.MustCompile(abuses[name].want).MatchString(got) {
				t.Errorf("got %.300q, want %q", got, abuses[name].want)
			}
			if len(r.Msg) > maxMessage {
				t.Errorf("message of %d bytes", len(r.Msg))
			}
			if r.Peak > 1<<20 {
				t.Errorf("took %d MiB", r.Peak>>10)
			}
			t.Logf("%v, %d MiB: %.80q", time.Since(start).Round(time.Millisecond), r.Peak>>10, r.Msg+r.Fatal)
		})
	}
}
