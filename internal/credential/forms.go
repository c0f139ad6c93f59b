package credential

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// A form is how one kind of credential looks.
type form struct {
	what   string
	prefix []byte
	alone  bool                   // what comes before it is no part of a word
	is     func(rest []byte) bool // whether what follows the prefix is the rest of one
}

// forms are the kinds that are looked for. The lengths are those their issuers
// document or use; beyond that a value must look drawn at random, which names and
// placeholders made by people do not.
var forms = []form{
	{"an API key (sk-…: OpenAI, Anthropic and others)", []byte("sk-"), true, apiKey},
	{"an AWS access key ID (AKIA…)", []byte("AKIA"), true, awsKey},
	{"a temporary AWS access key ID (ASIA…)", []byte("ASIA"), true, awsKey},
	{"a GitHub token (ghp_…)", []byte("ghp_"), true, exactly(36, letter)},
	{"a GitHub token (gho_…)", []byte("gho_"), true, exactly(36, letter)},
	{"a GitHub token (ghu_…)", []byte("ghu_"), true, exactly(36, letter)},
	{"a GitHub token (ghs_…)", []byte("ghs_"), true, exactly(36, letter)},
	{"a GitHub token (ghr_…)", []byte("ghr_"), true, exactly(36, letter)},
	{"a GitHub token (github_pat_…)", []byte("github_pat_"), true, atLeast(70, wordByteNoDash)},
	{"a GitLab token (glpat-…)", []byte("glpat-"), true, atLeast(20, wordByte)},
	{"a Slack token (xox…)", []byte("xox"), true, slackToken},
	{"a Slack token (xapp-…)", []byte("xapp-"), true, atLeast(40, wordByte)},
	{"a Google API key (AIza…)", []byte("AIza"), true, exactly(35, wordByte)},
	{"a Google OAuth secret (GOCSPX-…)", []byte("GOCSPX-"), true, exactly(28, wordByte)},
	{"a Hugging Face token (hf_…)", []byte("hf_"), true, exactly(34, letter)},
	{"an npm token (npm_…)", []byte("npm_"), true, exactly(36, letter)},
	{"a PyPI token (pypi-…)", []byte("pypi-AgEIcHlwaS5vcmc"), true, atLeast(50, wordByte)},
	{"a Stripe key (sk_live_…)", []byte("sk_live_"), true, atLeast(24, letter)},
	{"a Stripe key (rk_live_…)", []byte("rk_live_"), true, atLeast(24, letter)},
	{"a SendGrid key (SG.…)", []byte("SG."), true, sendGrid},
	{"a signed token (JWT)", []byte("eyJ"), true, webToken},
	{"a private key (PEM)", []byte("-----BEGIN "), false, privateKey},
}

func letter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func hexDigit(c byte) bool       { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }
func wordByte(c byte) bool       { return letter(c) || c == '_' || c == '-' }
func wordByteNoDash(c byte) bool { return letter(c) || c == '_' }

// span returns how many bytes at the start of b are of a kind.
func span(b []byte, kind func(byte) bool) int {
	for i, c := range b {
		if !kind(c) {
			return i
		}
	}
	return len(b)
}

// drawn reports whether b is made as a random draw is: of many different
// characters, and not of small letters alone. What stands in a program for a
// secret of coo's is not: "coo" and hexadecimal digits (wire.Placeholder).
func drawn(b []byte) bool {
	if hex, ok := bytes.CutPrefix(b, []byte("coo")); ok && len(hex) >= 30 && span(hex, hexDigit) == len(hex) {
		return false
	}
	var seen [256]bool
	different, small := 0, 0
	for _, c := range b {
		if !seen[c] {
			seen[c] = true
			different++
		}
		if 'a' <= c && c <= 'z' || c == '_' || c == '-' {
			small++
		}
	}
	return different >= 8 && small < len(b)
}

// drawnRun reports whether b has a run of n letters and digits or more that is
// drawn, and has both.
func drawnRun(b []byte, n int) bool {
	for len(b) > 0 {
		k := span(b, letter)
		digits := 0
		for _, c := range b[:k] {
			if '0' <= c && c <= '9' {
				digits++
			}
		}
		if k >= n && digits > 0 && digits < k && drawn(b[:k]) {
			return true
		}
		b = b[min(k+1, len(b)):]
	}
	return false
}

// exactly is a form of n bytes of a kind, not one more.
func exactly(n int, kind func(byte) bool) func([]byte) bool {
	return func(rest []byte) bool {
		return span(rest[:min(len(rest), n+1)], wordByte) == n && span(rest[:n], kind) == n && drawn(rest[:n])
	}
}

// atLeast is a form of n bytes of a kind or more.
func atLeast(n int, kind func(byte) bool) func([]byte) bool {
	return func(rest []byte) bool {
		k := span(rest[:min(len(rest), 512)], kind)
		return k >= n && drawn(rest[:k])
	}
}

// apiKey is sk-…, sk-proj-…, sk-ant-api03-…: 20 bytes or more, of which 16 in
// a row are as drawn at random. Class names such as sk-container-id-1 have no
// such run.
func apiKey(rest []byte) bool {
	k := span(rest[:min(len(rest), 512)], wordByte)
	return k >= 20 && drawnRun(rest[:k], 16)
}

// awsKey is 16 characters of base32. AWS's own examples end in EXAMPLE.
func awsKey(rest []byte) bool {
	const n = 16
	base32 := func(c byte) bool { return 'A' <= c && c <= 'Z' || '2' <= c && c <= '7' }
	return span(rest[:min(len(rest), n+1)], wordByte) == n && span(rest[:n], base32) == n &&
		!bytes.HasSuffix(rest[:n], []byte("EXAMPLE"))
}

// slackToken is xoxb-1234567890-1234567890-…: a kind, and parts with many
// digits.
func slackToken(rest []byte) bool {
	if len(rest) < 2 || strings.IndexByte("abceoprs", rest[0]) < 0 || rest[1] != '-' && rest[1] != '.' {
		return false
	}
	rest = rest[2:]
	k := span(rest[:min(len(rest), 512)], wordByte)
	digits := 0
	for _, c := range rest[:k] {
		if '0' <= c && c <= '9' {
			digits++
		}
	}
	return k >= 24 && digits >= 8 && drawn(rest[:k])
}

// sendGrid is SG., 22 characters, a dot, 43 characters.
func sendGrid(rest []byte) bool {
	k := span(rest[:min(len(rest), 23)], wordByte)
	return k == 22 && len(rest) > k && rest[k] == '.' && exactly(43, wordByte)(rest[k+1:])
}

// webToken is RFC 7519: a header with a member "alg", a payload, a signature.
// One without a signature gives nothing away.
func webToken(rest []byte) bool {
	const least = 16
	head := span(rest[:min(len(rest), 2048)], wordByte)
	text, err := base64.RawURLEncoding.DecodeString("eyJ" + string(rest[:head]))
	if err != nil || !bytes.Contains(text, []byte(`"alg"`)) || head == len(rest) || rest[head] != '.' {
		return false
	}
	rest = rest[head+1:]
	if !bytes.HasPrefix(rest, []byte("eyJ")) {
		return false
	}
	body := span(rest[:min(len(rest), 4096)], wordByte)
	if body == len(rest) || rest[body] != '.' {
		return false
	}
	rest = rest[body+1:]
	return span(rest[:min(len(rest), 512)], wordByte) >= least
}

// privateKey is "RSA PRIVATE KEY-----" or its kin, then key material: a line
// with 40 characters of base64, after lines of headers if there are any. Lines
// end as they do in files, in JSON ("\\n"), or with a space.
func privateKey(rest []byte) bool {
	const marker = "PRIVATE KEY"
	i := bytes.Index(rest[:min(len(rest), 40)], []byte(marker))
	if i < 0 {
		return false
	}
	after := bytes.TrimPrefix(rest[i+len(marker):], []byte(" BLOCK"))
	after, ok := bytes.CutPrefix(after, []byte("-----"))
	if !ok {
		return false
	}
	after = after[:min(len(after), 1024)]
	for {
		end := lineEnd(after)
		if end == 0 {
			return false
		}
		after = after[end:]
		if span(after, base64Byte) >= 40 {
			return true
		}
		header := span(after, func(c byte) bool { return c != '\n' && c != '\r' && c != '\\' })
		if header > 0 && !bytes.Contains(after[:header], []byte(": ")) {
			return false
		}
		after = after[header:]
	}
}

func base64Byte(c byte) bool { return letter(c) || c == '+' || c == '/' || c == '=' }

// lineEnd returns the length of the end of a line that b begins with.
func lineEnd(b []byte) int {
	for _, end := range []string{"\r\n", "\n", `\r\n`, `\n`, " "} {
		if bytes.HasPrefix(b, []byte(end)) {
			return len(end)
		}
	}
	return 0
}
