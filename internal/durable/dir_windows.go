package durable

// SyncDir does nothing: Windows cannot flush a directory, and NTFS keeps its
// names in a journal of its own.
func SyncDir(string) error { return nil }
