package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
)

// tlsConfig returns the server side of intercepted connections.
func (s *Server) tlsConfig() *tls.Config {
	c := &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			c := hello.Conn.(*conn)
			name := hello.ServerName
			if name == "" {
				// A client that sends no name wants the address it dialled,
				// or the name by which it asked for the tunnel.
				name = c.scope.target.Host
			}
			if name == "" {
				name = c.scope.target.Addr.String()
			}
			leaf, err := s.o.CA.leaf(name)
			c.shown = err == nil
			return leaf, err
		},
	}
	if s.o.Exact {
		c.NextProtos = []string{"http/1.1"}
		c.SessionTicketsDisabled = true
		c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
	}
	return c
}

// secure serves a connection for t that begins with a TLS handshake.
func (s *Server) secure(c *conn, t Target) {
	c.scope = scope{scheme: "https", target: t}
	config := s.tls
	if s.o.Exact {
		config = s.o.CA.repeats(config, c)
	}
	tc := tls.Server(c, config)
	ctx, cancel := context.WithTimeout(s.ctx, s.limits.tls)
	err := tc.HandshakeContext(ctx)
	cancel()
	c.heard = nil
	if err != nil {
		s.o.Refused(Refusal{t.String(), handshakeFailure(c, err)})
		// The alert that tells the client why has been sent.
		closeWrite(c)
		linger(c, s.limits.linger)
		return
	}
	state := tc.ConnectionState()
	if name, err := parseHost(state.ServerName); err == nil {
		c.scope.sni = name.Host
	}
	if state.NegotiatedProtocol == "h2" {
		s.serveHTTP2(c, tc)
		return
	}
	newSession(s, c, tc, c.scope).serve()
	tc.Close()
}

// handshakeFailure says why a handshake failed, as far as it is known. What a
// client that does not believe the certificate sends depends on its library:
// an alert with the reason, one that cannot be read, or nothing.
func handshakeFailure(c *conn, err error) string {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "not TLS, though it began like it"
	}
	if c.shown {
		return fmt.Sprintf("the program broke off when it saw coo's certificate; it may not believe it: %v", err)
	}
	return fmt.Sprintf("TLS handshake: %v", err)
}
