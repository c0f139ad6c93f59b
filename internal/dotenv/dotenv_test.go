package dotenv

import (
	"slices"
	"strings"
	"testing"
)

const sample = "\ufeff# keys\r\n" +
	"export OPENAI_API_KEY=\"sk-a\\\"b\\nc\" # mine\r\n" +
	"MAX_STEPS=5    # enough\n" +
	"  SPACED = two words \n" +
	"SINGLE='a \\n # b'\n" +
	"TICKS=`it's \"so\"`\n" +
	"PEM=\"first\nsecond=1\n# third\"\n" +
	"HASH=a#b\n" +
	"INCH=3\"\n" +
	"EMPTY=\n" +
	"exported=1\n" +
	"REF=${HOME}/x\n" +
	"#OLD=1 # two\n" +
	"# plain words\n" +
	"LAST=end"

func TestParse(t *testing.T) {
	f, err := Parse([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	want := []Variable{
		{"OPENAI_API_KEY", "sk-a\"b\nc"},
		{"MAX_STEPS", "5"},
		{"SPACED", "two words"},
		{"SINGLE", `a \n # b`},
		{"TICKS", `it's "so"`},
		{"PEM", "first\nsecond=1\n# third"},
		{"HASH", "a#b"},
		{"INCH", `3"`},
		{"EMPTY", ""},
		{"exported", "1"},
		{"REF", "${HOME}/x"},
		{"LAST", "end"},
	}
	if got := f.Variables(); !slices.Equal(got, want) {
		t.Errorf("Variables() =\n%+v, want\n%+v", got, want)
	}
	bare := strings.NewReplacer("# keys", "", "# mine", "", "# enough", "", "#OLD=1 # two", "", "# plain words", "").Replace(sample)
	if got := f.Text(func(Variable) (string, bool) { return "", false }); got != bare {
		t.Errorf("Text() = %q, want the file without comments: %q", got, bare)
	}
	masked := f.Text(func(v Variable) (string, bool) {
		return "X", slices.Contains([]string{"OPENAI_API_KEY", "PEM", "SPACED"}, v.Name)
	})
	for old, new := range map[string]string{
		`"sk-a\"b\nc" # mine`: `"X" `, "\"first\nsecond=1\n# third\"": `"X"`, " = two words \n": " = X \n",
	} {
		if !strings.Contains(sample, old) || !strings.Contains(masked, new) || strings.Contains(masked, old) {
			t.Errorf("%q is not %q in %q", old, new, masked)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for content, want := range map[string]string{
		"A=1\nnot one\n":               "line 2: neither a comment nor NAME=value",
		"A=\"1\n2\"\nsecret s3cret\n":  "line 3: neither a comment nor NAME=value",
		"A=\"1\" and more\nB=1\n":      "line 1: a quote that does not end, or something after it",
		"A=1\nB='1\n":                  "line 2: a quote that does not end, or something after it",
		"B C=1\n":                      "line 1: neither a comment nor NAME=value",
		"=1\n":                         "line 1: neither a comment nor NAME=value",
		"1A=1\n":                       "line 1: neither a comment nor NAME=value",
		"A=\xff\n":                     "not UTF-8",
		strings.Repeat("#", MaxSize+1): "more than 65536 bytes",
	} {
		if _, err := Parse([]byte(content)); err == nil || err.Error() != want {
			t.Errorf("Parse(%.40q): %v, want %s", content, err, want)
		}
	}
}

func TestNames(t *testing.T) {
	for path, want := range map[string]bool{
		".env": true, ".env.local": true, "apps/web/.env.production": true,
		".envrc": false, ".environment": false, "env": false, "a.env": false, ".env/x": false, "": false,
	} {
		if Names(path) != want {
			t.Errorf("Names(%q) = %t", path, !want)
		}
	}
}

func TestSecret(t *testing.T) {
	secret := []string{
		"postgres://ada:s3cret@db/agents", "redis://:pw@cache:6379/0", "https://token@example.test/x",
		"9f8c2d7e41b06a35", "a-9f8c2d7e41b06a35-b", "Bearer 9f8c2d7e41b06a359f8c", "Zm9vYmFyYmF6cXV4Zm9vYmFy",
		"1b4e28ba-2fa1-11d2-883f-0016d3cca427", "QmFzZVNpeHR5Rm91cldvcmRzT25seUhlcmU",
	}
	plain := []string{
		"", "5", "true", "hello world", "claude-sonnet-4-20250514", "gpt-4o-mini-2024-07-18", "/srv/models/e5-base-v2", "http://127.0.0.1:11434/v1",
		"https://example.openai.azure.com/openai/deployments/gpt4?api-version=2024-02-01", "sentence-transformers/all-MiniLM-L6-v2",
		"meta-llama/Meta-Llama-3.1-70B-Instruct", "Europe/Berlin", "ada@example.test", "1234567890123456", "a, b; c", "${HOME}/data",
		"You are a helpful assistant. Answer in one sentence.", "AgentsAndToolsConfiguration",
	}
	for _, v := range secret {
		if !Secret(v) {
			t.Errorf("Secret(%q) = false", v)
		}
	}
	for _, v := range plain {
		if Secret(v) {
			t.Errorf("Secret(%q) = true", v)
		}
	}
}

// What is read again without comments, or with other values, has the same
// variables.
func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("A='\nB=\"\\\"\nC=` # `\n#'D=1\n##E=\"\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		file, err := Parse(content)
		if err != nil {
			return
		}
		bare, err := Parse([]byte(file.Text(func(Variable) (string, bool) { return "", false })))
		if err != nil || !slices.Equal(bare.Variables(), file.Variables()) {
			t.Fatalf("%q without comments: %v, %+v, want %+v", content, err, bare.Variables(), file.Variables())
		}
		text := file.Text(func(v Variable) (string, bool) { return "x", true })
		again, err := Parse([]byte(text))
		if err != nil {
			t.Fatalf("%q with values replaced is %q: %v", content, text, err)
		}
		if a, b := file.Variables(), again.Variables(); len(a) != len(b) {
			t.Fatalf("%q has %+v, with values replaced %+v", content, a, b)
		}
	})
}
