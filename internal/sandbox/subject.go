package sandbox

import (
	"crypto/sha1" //nolint:gosec // OpenSSL's name for a file, not a seal
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"strings"
)

// subjectHash returns the name under which OpenSSL looks for a certificate in
// a directory of roots: eight hexadecimal digits, the first four bytes,
// reversed, of the SHA-1 of the subject in canonical form (X509_NAME_hash).
func subjectHash(certPEM []byte) (string, error) {
	block, _ := pem.Decode(certPEM)
	if block == nil {
		return "", fmt.Errorf("CA: not a PEM certificate")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", fmt.Errorf("CA: %w", err)
	}
	canonical, err := canonicalName(c.RawSubject)
	if err != nil {
		return "", fmt.Errorf("CA: subject: %w", err)
	}
	sum := sha1.Sum(canonical)
	return fmt.Sprintf("%08x", binary.LittleEndian.Uint32(sum[:])), nil
}

type nameAttribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

type nameAttributeSET []nameAttribute

// canonicalName returns a name as OpenSSL hashes it: its sets one after the
// other without what encloses them, strings as UTF8String in lower case with
// single spaces.
func canonicalName(raw []byte) ([]byte, error) {
	var sets []nameAttributeSET
	if _, err := asn1.Unmarshal(raw, &sets); err != nil {
		return nil, err
	}
	var out []byte
	for _, set := range sets {
		for i, a := range set {
			switch a.Value.Tag {
			case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String:
				text := strings.ToLower(strings.Join(strings.Fields(string(a.Value.Bytes)), " "))
				set[i].Value = asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(text)}
			}
		}
		b, err := asn1.Marshal(set)
		if err != nil {
			return nil, err
		}
		out = append(out, b...)
	}
	return out, nil
}
