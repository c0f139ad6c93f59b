package credential

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
)

// The corpus holds no credential: each is drawn here, from a fixed start, as
// its issuer would draw it.
type draw uint64

func (d *draw) text(n int, alphabet string) string {
	b := make([]byte, n)
	for i := range b {
		*d = *d*6364136223846793005 + 1442695040888963407
		b[i] = alphabet[uint64(*d>>33)%uint64(len(alphabet))]
	}
	return string(b)
}

const (
	digits   = "0123456789"
	hexa     = digits + "abcdef"
	upper    = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	letters  = upper + "abcdefghijklmnopqrstuvwxyz" + digits
	urlSafe  = letters + "-_"
	standard = letters + "+/"
)

func token(parts ...string) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(parts[0])) + "." + enc([]byte(parts[1])) + "." + parts[2]
}

func pem(kind, material, newline string) string {
	var b strings.Builder
	b.WriteString("-----BEGIN " + kind + "-----" + newline)
	for len(material) > 0 {
		n := min(64, len(material))
		b.WriteString(material[:n] + newline)
		material = material[n:]
	}
	return b.String() + "-----END " + kind + "-----" + newline
}

// positives are what must be found, each drawn anew.
func positives(d *draw) map[string]string {
	t := d.text
	return map[string]string{
		"openai classic":      "sk-" + t(20, letters) + "T3BlbkFJ" + t(20, letters),
		"openai project":      "sk-proj-" + t(74, letters) + "T3BlbkFJ" + t(74, urlSafe),
		"openai service":      "sk-svcacct-" + t(40, letters) + "-" + t(40, letters),
		"anthropic":           "sk-ant-api03-" + t(93, letters) + "-" + t(6, letters) + "AA",
		"openrouter":          "sk-or-v1-" + t(64, hexa),
		"deepseek":            "sk-" + t(32, hexa),
		"aws":                 "AKIA" + t(16, upper+"234567"),
		"aws session":         "ASIA" + t(14, upper+"234567") + "A7",
		"github personal":     "ghp_" + t(36, letters),
		"github oauth":        "gho_" + t(36, letters),
		"github user":         "ghu_" + t(36, letters),
		"github server":       "ghs_" + t(36, letters),
		"github refresh":      "ghr_" + t(36, letters),
		"github fine-grained": "github_pat_" + t(22, letters) + "_" + t(59, letters),
		"gitlab":              "glpat-" + t(20, letters),
		"slack bot":           "xoxb-" + t(12, digits) + "-" + t(13, digits) + "-" + t(24, letters),
		"slack user":          "xoxp-" + t(12, digits) + "-" + t(12, digits) + "-" + t(12, digits) + "-" + t(32, hexa),
		"slack app":           "xapp-1-A" + t(10, upper+digits) + "-" + t(13, digits) + "-" + t(64, hexa),
		"google":              "AIza" + t(35, letters),
		"google oauth":        "GOCSPX-" + t(28, letters),
		"hugging face":        "hf_" + t(34, letters),
		"npm":                 "npm_" + t(36, letters),
		"pypi":                "pypi-AgEIcHlwaS5vcmc" + t(120, letters),
		"stripe":              "sk_live_" + t(24, letters),
		"stripe restricted":   "rk_live_" + t(40, letters),
		"sendgrid":            "SG." + t(22, letters) + "." + t(43, letters),
		"jwt":                 token(`{"alg":"HS256","typ":"JWT"}`, `{"sub":"1","iat":1}`, t(43, letters)),
		"jwt signed by RSA":   token(`{"alg":"RS256","kid":"a"}`, `{"iss":"b"}`, t(342, urlSafe)),
		"pem rsa":             pem("RSA PRIVATE KEY", t(1600, standard), "\n"),
		"pem pkcs8":           pem("PRIVATE KEY", t(200, standard), "\r\n"),
		"pem in JSON":         pem("EC PRIVATE KEY", t(160, standard), `\n`),
		"pem encrypted":       strings.Replace(pem("RSA PRIVATE KEY", t(700, standard), "\n"), "-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", 1),
		"openssh":             pem("OPENSSH PRIVATE KEY", t(300, standard), "\n"),
		"pgp":                 strings.Replace(pem("PGP PRIVATE KEY BLOCK", t(300, standard), "\n"), "-----\n", "-----\nVersion: GnuPG v2\n\n", 1),
	}
}

func TestPositives(t *testing.T) {
	// order: each is tried by itself; t.Errorf names it
	for name := range positives(new(draw)) {
		d := draw(len(name))
		for range 20 {
			secret := positives(&d)[name]
			for _, around := range [][2]string{{"", ""}, {"key=", "\n"}, {`{"k":"`, `"}`}, {"Bearer ", " and more"}, {"é", "é"}, {"(", ")"}} {
				b := []byte(around[0] + secret + around[1])
				f := Find(b)
				if f == nil || f.Offset != int64(len(around[0])) {
					t.Errorf("%s in %q: %+v, want it at %d", name, b, f, len(around[0]))
				}
			}
		}
	}
}

// negatives are what people write that looks like one and is none.
var negatives = []string{
	"sk-proj-cooa6a2649f1a93d884460b73b56136d9", "glpat-coo812b2f89d5812769e10b1e205113ca",
	"", "sk-", "sk-only-an-example", "sk-...", "sk-your-api-key-goes-here-please", "sk-XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
	"sk-container-id-12", "sk-toggleable__content-and-more-words-2", "task-1234567890abcdefghij1234", "risk-a1b2c3d4e5f6g7h8i9j0k1l2",
	"sk-0000000000000000000000000000", "sk-1234567890123456789012345678", "disk-sk",
	"AKIAIOSFODNN7EXAMPLE", "AKIA", "AKIAAAAAAAAAAAAAAA", "XAKIAQYLPMN5HHHFPZAM2", "AKIAqylpmn5hhhfpzam2", "AKIAQYLPMN5HHHFPZAM2X",
	"ghp_short", "ghp_" + "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "ghp_a1", "github_pat_", "glpat-xxxxxxxxxxxxxxxxxxxx",
	"xox", "xoxo-xoxo-xoxo-xoxo-xoxo-xoxo", "xoxb-not-a-token-at-all-really", "xoxb-000000000000-000000000000-xxxxxxxxxxxxxxxxxxxxxxxx",
	"AIza", "AIzaXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX", "AIzaSy-short",
	"hf_model", "npm_config_registry_and_other_variables_x", "npm_package_version", "sk_test_4eC39HqLyjWDarjtT1zdp7dc", "pk_live_4eC39HqLyjWDarjtT1zdp7dc", "SG.a.b",
	"eyJ", "eyJhbGciOiJIUzI1NiJ9", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "eyJmb28iOiJiYXIifQ.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLW9mLXNvbWV0aGluZw", "eyJ…",
	"-----BEGIN PRIVATE KEY-----", "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----", "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE0123456789abcdefABCDEF0123456789abcdefABCDEF\n",
	"-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", "grep -r '-----BEGIN OPENSSH PRIVATE KEY-----' .",
	"<secret OPENAI_API_KEY>", "Bearer <secret KEY>", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	"chatcmpl-9f86d081884c7d659a2feaa0c55ad015", "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
	"5a21998d-03c4-4db8-86dd-f976fdd5c5e9", "https://example.test/task-list?desk-id=12345678901234567890abcdefabcdef",
}

func TestNegatives(t *testing.T) {
	for _, text := range negatives {
		if f := Find([]byte(text)); f != nil {
			t.Errorf("%q: %s at %d", text, f.What, f.Offset)
		}
	}
	if f := Find([]byte(strings.Join(negatives, "\n"))); f != nil {
		t.Errorf("all together: %s at %d", f.What, f.Offset)
	}
}

// A credential is found, at its place, wherever a stream is cut.
func TestCuts(t *testing.T) {
	d := draw(7)
	secret := []byte("key: " + positives(&d)["anthropic"] + "\n")
	for _, before := range []int{0, 1, window - 200, window - 60, window - 5, window - 1, window, window + 1, window + reach - 50, window + reach, 2*window + 3} {
		text := append(bytes.Repeat([]byte{'.'}, before), secret...)
		text = append(text, bytes.Repeat([]byte{'.'}, 3*window)...)
		for _, chunk := range []int{4096, 100_003, len(text)} {
			var s Scanner
			for rest := text; len(rest) > 0; {
				n := min(chunk, len(rest))
				s.Write(rest[:n])
				rest = rest[n:]
			}
			if f := s.Close(); f == nil || f.Offset != int64(before+5) {
				t.Errorf("after %d bytes, in chunks of %d: %+v", before, chunk, f)
			}
		}
	}
	// What is part of a word stays one across a cut.
	text := append(bytes.Repeat([]byte{'.'}, window-1), ("a" + string(secret[5:]))...)
	if f := Find(append(text, bytes.Repeat([]byte{'.'}, 2*window)...)); f != nil {
		t.Errorf("part of a word across a cut: %+v", f)
	}
}

func BenchmarkScanner(b *testing.B) {
	d := draw(1)
	text := []byte(d.text(8<<20, letters+"     \n.,-_{}\"\":"))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		var s Scanner
		s.Write(text)
		if f := s.Close(); f != nil {
			b.Fatal(f)
		}
	}
}
