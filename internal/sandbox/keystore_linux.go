package sandbox

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // what the format asks for; it guards nothing here
	"encoding/binary"
	"encoding/pem"
	"fmt"
)

// A Java keystore (JKS) with trusted certificates:
//
//	feedfeed 00000002 | number of entries | entries | SHA-1 of a password and all of it
//	entry: 00000002 | alias | time in ms, 8 bytes | "X.509" | length | DER
//
// where texts have two bytes of length. The password of Java's own store is
// "changeit"; it protects nothing.
const (
	jksMagic   = "\xfe\xed\xfe\xed\x00\x00\x00\x02"
	jksTrusted = 2
	jksHeader  = len(jksMagic) + 4
)

// addToKeystore returns a keystore with one more certificate, or false when
// it is none.
func addToKeystore(store, der []byte) ([]byte, bool) {
	if len(store) < jksHeader+sha1.Size || !bytes.HasPrefix(store, []byte(jksMagic)) {
		return nil, false
	}
	out := bytes.Clone(store[:len(store)-sha1.Size])
	n := binary.BigEndian.Uint32(out[len(jksMagic):])
	binary.BigEndian.PutUint32(out[len(jksMagic):], n+1)
	return sealKeystore(appendEntry(out, "coo", der)), true
}

// newKeystore makes a keystore of the certificates of a PEM bundle.
func newKeystore(bundle []byte) []byte {
	out := append([]byte(jksMagic), 0, 0, 0, 0)
	n := uint32(0)
	for {
		var b *pem.Block
		if b, bundle = pem.Decode(bundle); b == nil {
			binary.BigEndian.PutUint32(out[len(jksMagic):], n)
			return sealKeystore(out)
		}
		if b.Type == "CERTIFICATE" {
			out = appendEntry(out, fmt.Sprintf("root%d", n), b.Bytes)
			n++
		}
	}
}

func appendEntry(b []byte, alias string, der []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, jksTrusted)
	b = appendText(b, alias)
	b = append(b, make([]byte, 8)...) // 1970
	b = appendText(b, "X.509")
	b = binary.BigEndian.AppendUint32(b, uint32(len(der)))
	return append(b, der...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func sealKeystore(b []byte) []byte {
	h := sha1.New()
	for _, c := range []byte("changeit") {
		h.Write([]byte{0, c})
	}
	h.Write([]byte("Mighty Aphrodite"))
	h.Write(b)
	return h.Sum(b)
}
