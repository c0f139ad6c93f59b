package report

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestVisible(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain text", "naïve, 漢字, 🙂\n\tindented", "naïve, 漢字, 🙂\n\tindented"},
		{"ANSI colour", "\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		{"ANSI title and bell", "\x1b]0;owned\x07", `\x1b]0;owned\x07`},
		{"C1 control", "\u009b31m", `\u009b31m`},
		{"carriage return", "safe\rEVIL", `safe\x0dEVIL`},
		{"backspace and delete", "a\b\x7f", `a\x08\x7f`},
		{"bidi override", "user\u202etxt.exe", `user\u202etxt.exe`},
		{"bidi isolate", "\u2066x\u2069", `\u2066x\u2069`},
		{"zero width", "pass\u200bword\ufeff", `pass\u200bword\ufeff`},
		{"line separator", "a\u2028b", `a\u2028b`},
		{"tag characters", "a\U000e0041", `a\U000e0041`},
		{"invalid UTF-8", "a\xff\xc3(", `a\xff\xc3(`},
		{"a replacement character is no invalid byte", "a\ufffd", `a\ufffd`},
		{"NUL", "a\x00b", `a\x00b`},
		{"empty", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Visible(tt.in); got != tt.want {
				t.Errorf("Visible(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func FuzzVisible(f *testing.F) {
	f.Add("\x1b[2J\u202e\xff\ufffd\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		got := Visible(s)
		if !utf8.ValidString(got) {
			t.Errorf("Visible(%q) = %q: not UTF-8", s, got)
		}
		if strings.ContainsFunc(got, steers) {
			t.Errorf("Visible(%q) = %q: still steers a terminal", s, got)
		}
		if again := Visible(got); again != got {
			t.Errorf("Visible(%q) = %q, and of that %q", s, got, again)
		}
		if one := OneLine(s, 10); strings.ContainsAny(one, "\n\t") || utf8.RuneCountInString(one) > 11 {
			t.Errorf("OneLine(%q, 10) = %q", s, one)
		}
	})
}

func TestOneLine(t *testing.T) {
	tests := []struct {
		in    string
		limit int
		want  string
	}{
		{"a\nb\tc", 10, "a↵b c"},
		{"abcdef", 6, "abcdef"},
		{"abcdef", 5, "abcde…"},
		{"漢字漢字", 2, "漢字…"},
		{"a\x1bb", 10, `a\x1bb`},
	}
	for _, tt := range tests {
		if got := OneLine(tt.in, tt.limit); got != tt.want {
			t.Errorf("OneLine(%q, %d) = %q, want %q", tt.in, tt.limit, got, tt.want)
		}
	}
}

func TestSizeAndCount(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 12_449: "12.4 kB", 999_999: "999.9 kB",
		1_000_000: "1.0 MB", 3_050_000: "3.0 MB", 2_000_000_000: "2.0 GB",
	} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int]string{0: "0 calls", 1: "1 call", 3: "3 calls"} {
		if got := Count(n, "call"); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}
