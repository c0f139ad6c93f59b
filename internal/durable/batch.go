package durable

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// SyncEach is the number of files up to which each is synced by itself. Above
// it one sync of the whole file system is cheaper, where there is one ([CanSyncFS]).
const SyncEach = 64

// A Batch writes many files and makes them durable together: none has its
// name before all have their content on disk. [Batch.Add], [Batch.Settle] and
// [Batch.Len] may be called from several goroutines at once, and nothing beside a Commit or a
// Discard.
type Batch struct {
	tmp   string
	mu    sync.Mutex // guards the lists, not the writing of files
	files []staged
	found map[string]bool // directories of files that are there already
}

type staged struct{ tmp, name string }

// NewBatch returns an empty batch that keeps its temporary files in tmp, a
// directory in the same file system as the files to come.
func NewBatch(tmp string) *Batch { return &Batch{tmp: tmp} }

// Len returns the number of files added since the last commit.
func (b *Batch) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.files)
}

// Add writes data to a temporary file that [Batch.Commit] will call name.
func (b *Batch) Add(name string, data []byte, perm fs.FileMode) error {
	tmp, err := writeTemp(b.tmp, whole(data), perm, false)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.files = append(b.files, staged{tmp, name})
	return nil
}

// Settle makes Commit sync the name of a file that is there already: whoever
// gave it may have been killed before it was durable.
func (b *Batch) Settle(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.found == nil {
		b.found = make(map[string]bool)
	}
	b.found[filepath.Dir(name)] = true
}

// Commit syncs the files, makes the directories they lack, renames them and
// syncs the directories. After an error some files may have their names: each
// of them whole. The batch is empty afterwards.
func (b *Batch) Commit() error {
	defer b.Discard()
	if len(b.files)+len(b.found) == 0 {
		return nil
	}
	tmps := make([]string, len(b.files))
	for i, f := range b.files {
		tmps[i] = f.tmp
	}
	if err := syncAll(b.tmp, tmps, syncFile); err != nil {
		return err
	}
	dirs, err := b.rename()
	if err != nil {
		return err
	}
	return syncAll(b.tmp, dirs, SyncDir)
}

// rename gives every file its name and returns the directories that changed.
func (b *Batch) rename() ([]string, error) {
	var dirs []string
	seen := make(map[string]bool)
	add := func(dir string) {
		if !seen[dir] {
			seen[dir] = true
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(b.found)) {
		add(filepath.Dir(dir))
		add(dir)
	}
	for _, f := range b.files {
		dir := filepath.Dir(f.name)
		if !seen[dir] {
			parents, err := mkdirAll(dir, 0o755)
			if err != nil {
				return nil, err
			}
			for _, p := range parents {
				add(p)
			}
			add(filepath.Dir(dir)) // who made dir may have been killed before it synced that
			add(dir)
		}
		if err := os.Rename(f.tmp, f.name); err != nil {
			return nil, err
		}
	}
	return dirs, nil
}

// Discard removes the temporary files of a batch that is not committed.
func (b *Batch) Discard() {
	for _, f := range b.files {
		os.Remove(f.tmp) // fails, harmlessly, once the file is renamed
	}
	b.files, b.found = nil, nil
}

// SyncDirs is [SyncDir] for many directories of the file system that holds dir.
func SyncDirs(dir string, dirs []string) error { return syncAll(dir, dirs, SyncDir) }

// syncAll syncs every name, or the file system that holds dir when there are
// many. Several syncs run at once because a journalling file system then
// writes its journal once for all of them.
func syncAll(dir string, names []string, sync1 func(string) error) error {
	if len(names) > SyncEach {
		if done, err := SyncFS(dir); done || err != nil {
			return err
		}
	}
	next := make(chan string)
	var wg sync.WaitGroup
	var once sync.Once
	var first error
	for range min(8, len(names)) {
		wg.Go(func() {
			for name := range next {
				if err := sync1(name); err != nil {
					once.Do(func() { first = err })
				}
			}
		})
	}
	for _, name := range names {
		next <- name
	}
	close(next)
	wg.Wait()
	return first
}

func syncFile(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
