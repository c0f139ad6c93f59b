package flight

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"testing"
	"unsafe"

	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/store"
	"golang.org/x/sys/unix"
)

const noSyncEnv = "COO_FLIGHT_TEST_NO_SYNC"

// In a process whose every sync fails, neither the recorder nor the store may
// report success. It is the proof that the syncs are made: without them these
// functions would not notice.
func TestNothingIsStoredWithoutSync(t *testing.T) {
	if dir := os.Getenv(noSyncEnv); dir != "" {
		withoutSync(t, dir)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestNothingIsStoredWithoutSync$")
	cmd.Env = append(os.Environ(), noSyncEnv+"="+newStore(t).Dir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func withoutSync(t *testing.T, dir string) {
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Create(st, "m.star")
	if err != nil {
		t.Fatal(err)
	}
	script{t, r}.open()
	if err := failSyncs(); err != nil {
		t.Fatal(err)
	}
	b := []byte("content")
	_, put := st.Put(b)
	_, add := st.AddRun(digest.Of(b), func(w io.Writer) error { _, err := w.Write(b); return err })
	_, app := st.AppendExecution(store.Execution{}, nil, nil)
	_, large := r.Blob(make([]byte, maxInline+1))
	for what, err := range map[string]error{"Put": put, "AddRun": add, "AppendExecution": app, "Blob": large} {
		if !errors.Is(err, unix.EIO) {
			t.Errorf("%s with a disk that cannot sync = %v, want EIO", what, err)
		}
	}
	if r, err = Create(st, "m.star"); err != nil { // making a run syncs nothing
		t.Fatal(err)
	}
	script{t, r}.open()
	if err := r.Flush(); !errors.Is(err, unix.EIO) {
		t.Errorf("Flush with a disk that cannot sync = %v, want EIO", err)
	}
	if st.Has(digest.Of(b)) {
		t.Error("a blob has its name, but was not synced")
	}
	if ids, err := st.Runs(); err != nil || len(ids) > 0 {
		t.Errorf("Runs = %v, %v, want none", ids, err)
	}
}

// failSyncs makes every fsync, fdatasync and syncfs of this process fail with
// EIO, for good: a seccomp filter on all its threads.
func failSyncs() error {
	const number = 0 // offset of the system call's number in struct seccomp_data
	deny := []uint32{unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNCFS}
	prog := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number}}
	for i, nr := range deny {
		jump := uint8(len(deny) - i) // over the other comparisons and the allowing return
		prog = append(prog, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: nr, Jt: jump})
	}
	prog = append(prog,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EIO)})
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return errno
	}
	return nil
}
