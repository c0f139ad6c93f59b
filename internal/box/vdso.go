//go:build linux && amd64

package box

import (
	"bytes"
	"debug/elf"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// A vDSO is a library that the kernel maps into each program, vdso(7): what it
// has functions for needs no call. Each of them is made to jump to one of
// ours. All but time, what the processor is called and the two that make a
// call are refused by an error that leads to a call.

// A code is machine code that is being written.
type code struct {
	b    []byte
	call []int // places of jumps to the call at the end
}

func (c *code) add(b ...byte) { c.b = append(c.b, b...) }

// orCall adds a jump on a condition to where the call is made.
func (c *code) orCall(jump byte) {
	c.add(jump, 0)
	c.call = append(c.call, len(c.b)-1)
}

// Conditions, as the first byte of a jump.
const (
	ifBelow = 0x72
	ifNot   = 0x73
	ifZero  = 0x74
	ifSet   = 0x75
	ifAbove = 0x77
)

// page puts where the page is into r8.
func (c *code) page() {
	c.add(0x49, 0xb8) // mov r8, pageAddr
	c.b = binary.LittleEndian.AppendUint64(c.b, pageAddr)
}

// read takes the time into rax, and lets it go on.
func (c *code) read() {
	c.add(0x49, 0xff, 0x40, pageReadings)             // inc qword [r8+pageReadings]
	c.add(0x41, 0xf6, 0x40, pageReadings, slice-1)    // test byte [r8+pageReadings], slice-1
	c.orCall(ifZero)                                  //
	c.add(0xb8, perCall&0xff, perCall>>8, 0, 0)       // mov eax, perCall
	c.add(0xf0, 0x49, 0x0f, 0xc1, 0x00)               // lock xadd [r8], rax
	c.add(0x48, 0x05, perCall&0xff, perCall>>8, 0, 0) // add rax, perCall
}

// seconds divides rax: seconds stay there, and rdx is nanoseconds.
func (c *code) seconds() {
	c.add(0x31, 0xd2)                   // xor edx, edx
	c.add(0xb9, 0x00, 0xca, 0x9a, 0x3b) // mov ecx, 1000000000
	c.add(0x48, 0xf7, 0xf1)             // div rcx
}

// end makes the call of that number, for whoever jumps here.
func (c *code) end(nr byte) []byte {
	for _, at := range c.call {
		c.b[at] = byte(len(c.b) - at - 1)
	}
	c.add(0xb8, nr, 0, 0, 0) // mov eax, nr
	c.add(0x0f, 0x05, 0xc3)  // syscall; ret
	return c.b
}

// Clocks by their numbers, a bit each: those that tell the time of day, and
// those that count from the machine's start.
const (
	realClocks = 1<<unix.CLOCK_REALTIME | 1<<unix.CLOCK_REALTIME_COARSE | 1<<unix.CLOCK_TAI
	bootClocks = 1<<unix.CLOCK_MONOTONIC | 1<<unix.CLOCK_MONOTONIC_RAW | 1<<unix.CLOCK_MONOTONIC_COARSE | 1<<unix.CLOCK_BOOTTIME
	someClocks = realClocks | bootClocks
)

// codeGettime is clock_gettime(edi, rsi).
func codeGettime() []byte {
	var c code
	c.page()
	c.add(0x83, 0xff, unix.CLOCK_TAI) // cmp edi, CLOCK_TAI
	c.orCall(ifAbove)
	c.add(0xb8, someClocks&0xff, someClocks>>8, 0, 0) // mov eax, someClocks
	c.add(0x0f, 0xa3, 0xf8)                           // bt eax, edi
	c.orCall(ifNot)
	c.read()
	c.add(0xb9, realClocks&0xff, realClocks>>8, 0, 0) // mov ecx, realClocks
	c.add(0x0f, 0xa3, 0xf9)                           // bt ecx, edi
	c.add(ifBelow, 6)                                 // jc over the next two
	c.add(0x49, 0x03, 0x40, pageBoot)                 // add rax, [r8+pageBoot]
	c.add(0xeb, 4)                                    // jmp over the next
	c.add(0x49, 0x03, 0x40, pageReal)                 // add rax, [r8+pageReal]
	c.seconds()
	c.add(0x48, 0x89, 0x06)       // mov [rsi], rax
	c.add(0x48, 0x89, 0x56, 0x08) // mov [rsi+8], rdx
	c.add(0x31, 0xc0, 0xc3)       // xor eax, eax; ret
	return c.end(unix.SYS_CLOCK_GETTIME)
}

// codeTimeOfDay is gettimeofday(rdi, rsi).
func codeTimeOfDay() []byte {
	var c code
	c.page()
	c.add(0x48, 0x85, 0xff) // test rdi, rdi
	c.orCall(ifZero)
	c.add(0x48, 0x85, 0xf6) // test rsi, rsi
	c.orCall(ifSet)
	c.read()
	c.add(0x49, 0x03, 0x40, pageReal) // add rax, [r8+pageReal]
	c.seconds()
	c.add(0x48, 0x89, 0x07)             // mov [rdi], rax
	c.add(0x89, 0xd0, 0x31, 0xd2)       // mov eax, edx; xor edx, edx
	c.add(0xb9, 0xe8, 0x03, 0x00, 0x00) // mov ecx, 1000
	c.add(0xf7, 0xf1)                   // div ecx
	c.add(0x48, 0x89, 0x47, 0x08)       // mov [rdi+8], rax
	c.add(0x31, 0xc0, 0xc3)             // xor eax, eax; ret
	return c.end(unix.SYS_GETTIMEOFDAY)
}

// codeTime is time(rdi).
func codeTime() []byte {
	var c code
	c.page()
	c.read()
	c.add(0x49, 0x03, 0x40, pageReal) // add rax, [r8+pageReal]
	c.seconds()
	c.add(0x48, 0x85, 0xff) // test rdi, rdi
	c.add(ifZero, 3)        // jz over the next
	c.add(0x48, 0x89, 0x07) // mov [rdi], rax
	c.add(0xc3)             // ret
	return c.end(unix.SYS_TIME)
}

// codeCPU is getcpu(rdi, rsi): 0 and 0.
func codeCPU() []byte {
	return []byte{
		0x31, 0xc0, // xor eax, eax
		0x48, 0x85, 0xff, ifZero, 2, 0x89, 0x07, // test rdi, rdi; jz; mov [rdi], eax
		0x48, 0x85, 0xf6, ifZero, 2, 0x89, 0x06, // test rsi, rsi; jz; mov [rsi], eax
		0xc3,
	}
}

// codeRefused is what there is not: -ENOSYS.
func codeRefused() []byte { return []byte{0x48, 0xc7, 0xc0, 0xda, 0xff, 0xff, 0xff, 0xc3} }

// vdsoCode is all of it, and vdsoPlaces where in it the functions are.
var vdsoCode, vdsoPlaces = func() ([]byte, map[string]uint64) {
	var all []byte
	places := map[string]uint64{}
	for _, f := range []struct {
		name string
		code []byte
	}{
		{"__vdso_clock_gettime", codeGettime()},
		{"__vdso_gettimeofday", codeTimeOfDay()},
		{"__vdso_time", codeTime()},
		{"__vdso_getcpu", codeCPU()},
		{"__vdso_clock_getres", new(code).end(unix.SYS_CLOCK_GETRES)},
		{"__vdso_getrandom", codeRefused()},
	} {
		for len(all)%16 != 0 {
			all = append(all, 0xcc) // int3
		}
		places[f.name] = uint64(len(all))
		all = append(all, f.code...)
	}
	return all, places
}()

// jumpSize is how long what is put at the beginning of a function is.
const jumpSize = 12

// knowVDSO finds the functions of the kernel's vDSO, which is the same in all
// programs: false when they are not all known.
func (x *tracer) knowVDSO(t *thread, at uint64) bool {
	if x.vdso != nil || at == 0 {
		return len(x.vdso) > 0
	}
	x.vdso = map[string]uint64{}
	const most = 4 * pageSize
	file, err := elf.NewFile(bytes.NewReader(t.read(at, most)))
	if err != nil {
		return false
	}
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return false
	}
	found := map[string]uint64{}
	for _, s := range symbols {
		if _, ok := vdsoPlaces[s.Name]; ok && s.Size >= jumpSize {
			found[s.Name] = s.Value
		}
	}
	for _, name := range []string{"__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time", "__vdso_getcpu", "__vdso_clock_getres"} {
		if _, ok := found[name]; !ok {
			return false
		}
	}
	x.vdso = found
	return true
}

// patchVDSO lets the functions jump to ours.
func (x *tracer) patchVDSO(t *thread, at uint64) bool {
	for name, offset := range x.vdso { // order: each is by itself
		b := binary.LittleEndian.AppendUint64([]byte{0x48, 0xb8}, codeAddr+vdsoPlaces[name])
		if t.force(at+offset, append(b, 0xff, 0xe0)) != nil { // mov rax, place; jmp rax
			return false
		}
	}
	return true
}
