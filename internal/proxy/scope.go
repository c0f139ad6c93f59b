package proxy

import (
	"fmt"
	"net/http"
	"strings"
)

// A scope is what the requests of a connection may name: anything at the
// explicit door, and one target behind it and at the transparent one.
type scope struct {
	explicit bool
	scheme   string // http or https; unused at the explicit door
	target   Target
	sni      string // the name the handshake was made for, or ""
}

// A refusal is the answer to a request that is not passed on.
type refusal struct {
	status int
	target string
	why    string
	header [][2]string
}

// refuse returns a refusal with a reason.
func refuse(status int, target, format string, args ...any) *refusal {
	return &refusal{status: status, target: target, why: fmt.Sprintf(format, args...)}
}

// url returns the absolute URL that target, the second part of a request
// line, means on this connection, and what it leads to. host is the Host
// field or the :authority.
func (s scope) url(target, host string) (string, Target, *refusal) {
	target = escapeTarget(target)
	if scheme, rest, ok := absolute(target); ok {
		return s.absolute(scheme, rest, host)
	}
	if s.explicit {
		return "", Target{}, refuse(http.StatusBadRequest, host,
			"a request for the proxy itself, not through it (Host %q): there is nothing here", host)
	}
	if !strings.HasPrefix(target, "/") {
		return "", Target{}, refuse(http.StatusBadRequest, s.target.String(), "malformed request target %.80q", target)
	}
	t, r := s.host(s.scheme, host)
	if r != nil {
		return "", Target{}, r
	}
	return t.origin(s.scheme) + target, t, nil
}

// absolute reads the URL of a request in absolute form.
func (s scope) absolute(scheme, rest, host string) (string, Target, *refusal) {
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	authority, path := rest[:end], rest[end:]
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	if !s.explicit {
		if scheme != s.scheme {
			return "", Target{}, refuse(http.StatusBadRequest, s.target.String(), "an %s URL on a connection for %s", scheme, s.scheme)
		}
		if !strings.EqualFold(authority, host) {
			return "", Target{}, mismatch(s.target.String(), authority, host)
		}
		t, r := s.host(scheme, host)
		if r != nil {
			return "", Target{}, r
		}
		return t.origin(scheme) + path, t, nil
	}
	t, err := parseAuthority(authority)
	if err != nil {
		return "", Target{}, refuse(http.StatusBadRequest, authority, "%v", err)
	}
	h, err := parseAuthority(host)
	if err != nil {
		return "", Target{}, refuse(http.StatusBadRequest, authority, "Host: %v", err)
	}
	setPort(&t, defaultPort(scheme))
	setPort(&h, defaultPort(scheme))
	if t != h {
		return "", Target{}, mismatch(t.String(), authority, host)
	}
	return t.origin(scheme) + path, t, nil
}

// host holds the Host field of a request to the target of its connection.
// Otherwise a page or a name server could make a program's own connection
// ask one place for another's content (DNS rebinding).
func (s scope) host(scheme, host string) (Target, *refusal) {
	if host == "" {
		// HTTP/1.0 knows no Host.
		return s.target, nil
	}
	t, err := parseAuthority(host)
	if err != nil {
		return Target{}, refuse(http.StatusBadRequest, s.target.String(), "Host: %v", err)
	}
	if t.Port == 0 {
		// Some clients leave a port out that is not the scheme's own.
		t.Port = s.target.Port
	}
	if t.Port != s.target.Port || !s.names(t) {
		return Target{}, mismatch(s.target.String(), s.target.String(), host)
	}
	return t, nil
}

// names reports whether t is a name of what the connection leads to.
func (s scope) names(t Target) bool {
	switch {
	case s.sni != "" && s.sni != s.target.Host && s.target.named():
		return false // domain fronting: one name for whoever watches, another within
	case t.Host == s.target.Host, s.sni != "" && t.Host == s.sni:
		return true
	case !s.target.Addr.IsValid():
		return false
	case t.Addr.IsValid():
		return t.Addr.Unmap() == s.target.Addr.Unmap()
	}
	// The one name that needs no resolver.
	return Localhost(t.Host) && s.target.Addr.Unmap().IsLoopback()
}

func mismatch(target, want, got string) *refusal {
	return refuse(http.StatusMisdirectedRequest, target, "the request is for host %.80q, its connection for %.80q", got, want)
}

func setPort(t *Target, port int) {
	if t.Port == 0 {
		t.Port = port
	}
}

// absolute reports whether target is an http or https URL, and parts it after
// "://".
func absolute(target string) (scheme, rest string, ok bool) {
	scheme, rest, ok = strings.Cut(target, "://")
	scheme = strings.ToLower(scheme)
	return scheme, rest, ok && (scheme == "http" || scheme == "https")
}

// escapeTarget writes the bytes that no URL holds as they are, and that some
// clients send, as percent signs and digits (RFC 3986, section 2.1). A
// fragment, which is not for servers, ends it.
func escapeTarget(s string) string {
	s, _, _ = strings.Cut(s, "#")
	var b strings.Builder
	for i := range len(s) {
		if s[i] < 0x80 {
			b.WriteByte(s[i])
			continue
		}
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}
