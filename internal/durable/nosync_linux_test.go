package durable

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

const noSyncEnv = "COO_DURABLE_TEST_NO_SYNC"

// In a process whose every sync fails, nothing may report success, and no
// file may get its name. It is the proof that the syncs are made: without
// them these functions would not notice.
func TestNothingIsDurableWithoutSync(t *testing.T) {
	if dir := os.Getenv(noSyncEnv); dir != "" {
		if err := failSyncs(); err != nil {
			t.Fatal(err)
		}
		withoutSync(t, dir)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestNothingIsDurableWithoutSync$")
	cmd.Env = append(os.Environ(), noSyncEnv+"="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func withoutSync(t *testing.T, dir string) {
	f, err := os.Create(filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	batch := func(n int) error {
		b := NewBatch(dir)
		for i := range n {
			if err := b.Add(filepath.Join(dir, "batch", fmt.Sprint(i)), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return b.Commit()
	}
	for what, err := range map[string]error{
		"Data":           Data(f),
		"SyncDir":        SyncDir(dir),
		"MkdirAll":       MkdirAll(filepath.Join(dir, "made"), 0o755),
		"WriteFile":      WriteFile(filepath.Join(dir, "written"), nil, 0o644),
		"a small Commit": batch(1),
		"a large Commit": batch(SyncEach + 1),
	} {
		if !errors.Is(err, unix.EIO) {
			t.Errorf("%s with a disk that cannot sync = %v, want EIO", what, err)
		}
	}
	for _, name := range []string{"written", "batch"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s has its name, but was not synced", name)
		}
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
