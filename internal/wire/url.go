package wire

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxURL is the length in bytes of the longest URL of a request.
const MaxURL = 64 << 10

// NormalURL returns t as it stands in a request document and on the wire:
// scheme and host in lower case, the default port and the fragment dropped,
// path and query untouched. Only absolute http and https URLs without user
// information are accepted; a secret may stand in the path or the query.
func NormalURL(t Text) (Text, error) {
	var head string
	if len(t) > 0 {
		head = t[0].Lit
	}
	if err := checkURL(t); err != nil {
		return nil, err
	}
	scheme, rest, ok := strings.Cut(head, "://")
	scheme = strings.ToLower(scheme)
	if !ok || scheme != "http" && scheme != "https" {
		return nil, errors.New("url: it must begin with http:// or https://")
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 && len(t) > 1 {
		return nil, errors.New("url: a secret may stand only in the path or the query")
	}
	if end < 0 {
		end = len(rest)
	}
	host, err := normalHost(scheme, rest[:end])
	if err != nil {
		return nil, err
	}
	out := append(Lit(scheme+"://"+host+rest[end:]), t[1:]...)
	for i, p := range out {
		if k := strings.IndexByte(p.Lit, '#'); k >= 0 {
			out = out[:i+1]
			out[i].Lit = p.Lit[:k]
			break
		}
	}
	return out, nil
}

// checkURL refuses what cannot stand on a request line.
func checkURL(t Text) error {
	n := 0
	for _, p := range t {
		n += len(p.Lit)
		if !utf8.ValidString(p.Lit) {
			return errors.New("url: not valid UTF-8")
		}
		for i := range len(p.Lit) {
			if c := p.Lit[i]; c <= ' ' || c == 0x7f {
				return fmt.Errorf("url: a space or control character must be written %%%02X", c)
			}
		}
	}
	if n > MaxURL {
		return fmt.Errorf("url: longer than %d bytes", MaxURL)
	}
	return nil
}

// normalHost returns the authority of a URL in lower case and without a port
// that the scheme implies.
func normalHost(scheme, authority string) (string, error) {
	if strings.Contains(authority, "@") {
		return "", errors.New("url: user information is not allowed: use an authorization header with coo.secret(NAME)")
	}
	host, port := authority, ""
	if i := strings.LastIndexByte(authority, ':'); i >= 0 && !strings.HasSuffix(authority, "]") {
		host, port = authority[:i], authority[i+1:]
	}
	if !validHost(host) || !validPort(port) {
		return "", fmt.Errorf("url: malformed host %.200q", authority)
	}
	host = strings.ToLower(host)
	if port == "" || scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		return host, nil
	}
	return host + ":" + port, nil
}

func validHost(host string) bool {
	name, extra := host, "-._~"
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		name, extra = host[1:len(host)-1], ":."
	}
	for i := range len(name) {
		if !alnum(name[i]) && strings.IndexByte(extra, name[i]) < 0 {
			return false
		}
	}
	return name != ""
}

// validPort accepts no port or 1 to 65535 without leading zeros.
func validPort(port string) bool {
	n := 0
	for i := range len(port) {
		if port[i] < '0' || port[i] > '9' || i == 0 && port[i] == '0' || i > 4 {
			return false
		}
		n = n*10 + int(port[i]-'0')
	}
	return n <= 65535
}

// Origin returns scheme, host and port of a normal URL, the port always
// written: "https://api.example.test:443". Two requests may share credentials
// only when their origins are equal.
func Origin(url string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	host := authority(url)
	if i := strings.LastIndexByte(rest[:len(host)], ':'); i < 0 || strings.HasSuffix(host, "]") {
		host += map[string]string{"http": ":80", "https": ":443"}[scheme]
	}
	return scheme + "://" + host
}

// hostIs reports whether url, a normal one, is of host, with or without a
// port; the empty host stands for all.
func hostIs(url, host string) bool {
	if host == "" {
		return true
	}
	at := authority(url)
	if i := strings.LastIndexByte(at, ':'); i >= 0 && at[:i] == host {
		return true
	}
	return at == host
}

// authority returns host and port of a normal URL as they are written.
func authority(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	return rest
}
