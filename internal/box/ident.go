//go:build linux && amd64

package box

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// The machine that every program sees has one processor, this much memory,
// and the name [HostName].
const (
	memory     = 8 << 30
	kernelName = "6.1.0"
)

func uname(_ *tracer, t *thread) outcome {
	const field = 65
	b := make([]byte, 6*field)
	for i, s := range []string{"Linux", HostName, kernelName, "#1 SMP coo", "x86_64", "(none)"} {
		copy(b[i*field:(i+1)*field-1], s)
	}
	return t.written(t.write(t.arg(0), b))
}

// sysinfo answers sysinfo(2), whose structure is 112 bytes long.
func sysinfo(x *tracer, t *thread) outcome {
	b := make([]byte, 112)
	binary.LittleEndian.PutUint64(b, uint64((sinceBoot+x.now)/second))
	binary.LittleEndian.PutUint64(b[32:], memory)
	binary.LittleEndian.PutUint64(b[40:], memory/2)
	binary.LittleEndian.PutUint16(b[80:], 16)
	binary.LittleEndian.PutUint32(b[104:], 1)
	return t.written(t.write(t.arg(0), b))
}

// getAffinity says that there is one processor.
func getAffinity(_ *tracer, t *thread) outcome {
	if t.arg(1) < 8 {
		t.answer(-int64(unix.EINVAL))
		return goOn
	}
	if !t.setWord(t.arg(2), 1) {
		t.answer(-int64(unix.EFAULT))
		return goOn
	}
	t.answer(8)
	return goOn
}

func getcpu(_ *tracer, t *thread) outcome {
	ok := true
	for _, at := range []uint64{t.arg(0), t.arg(1)} {
		ok = ok && (at == 0 || t.setWord32(at, 0))
	}
	return t.written(ok)
}

// setTIDAddress notes where the kernel tells the thread's end.
func setTIDAddress(_ *tracer, t *thread) outcome {
	t.clearTID = t.arg(0)
	return goOn
}
