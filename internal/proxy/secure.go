package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
)

// tlsConfig returns the server side of intercepted connections.
func (s *Server) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			c := hello.Conn.(*conn)
			if hello.ServerName != "" {
				return s.o.CA.leaf(hello.ServerName)
			}
			// A client that sends no name wants the address it dialled, or
			// the name by which it asked for the tunnel.
			t := c.scope.target
			if t.Host == "" {
				t.Host = t.Addr.String()
			}
			return s.o.CA.leaf(t.Host)
		},
	}
}

// secure serves a connection for t that begins with a TLS handshake.
func (s *Server) secure(c *conn, t Target) {
	c.scope = scope{scheme: "https", target: t}
	tc := tls.Server(c, s.tls)
	ctx, cancel := context.WithTimeout(s.ctx, s.patience.tls)
	err := tc.HandshakeContext(ctx)
	cancel()
	if err != nil {
		s.o.Refused(Refusal{t.String(), handshakeFailure(err)})
		// The alert that tells the client why has been sent.
		linger(c, c, s.patience.linger)
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

// handshakeFailure says why a handshake failed, as far as it is known.
func handshakeFailure(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return fmt.Sprintf("the program does not believe coo's certificate: %v", op.Err)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "not TLS, though it began like it"
	}
	return fmt.Sprintf("TLS handshake: %v", err)
}
