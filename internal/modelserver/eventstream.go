package modelserver

import (
	"encoding/binary"
	"hash/crc32"
)

// An AWS event stream is a sequence of messages:
//
//	total length    4 bytes, big-endian, of the whole message
//	headers length  4 bytes
//	CRC-32 (IEEE)   4 bytes, of the eight bytes before
//	headers         name length (1), name, type 7 for a string (1), value length (2), value
//	payload
//	CRC-32 (IEEE)   4 bytes, of everything before

// awsEvent frames an event with a JSON payload.
func awsEvent(name string, payload []byte) []byte {
	return awsMessage([][2]string{
		{":event-type", name},
		{":content-type", "application/json"},
		{":message-type", "event"},
	}, payload)
}

// awsException frames an error in the middle of a stream.
func awsException(name string, payload []byte) []byte {
	return awsMessage([][2]string{
		{":exception-type", name},
		{":content-type", "application/json"},
		{":message-type", "exception"},
	}, payload)
}

func awsMessage(headers [][2]string, payload []byte) []byte {
	var h []byte
	for _, f := range headers {
		h = append(h, byte(len(f[0])))
		h = append(h, f[0]...)
		h = append(h, 7)
		h = binary.BigEndian.AppendUint16(h, uint16(len(f[1])))
		h = append(h, f[1]...)
	}
	const preludeAndSums = 8 + 4 + 4
	b := binary.BigEndian.AppendUint32(nil, uint32(preludeAndSums+len(h)+len(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(h)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(b, h...)
	b = append(b, payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}
