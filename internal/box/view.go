package box

// A View is a file or a directory that the program sees at At, absolute and
// without links. The longest that matches a path counts.
type View struct {
	At, From string
	ReadOnly bool
	Memory   bool // it looks like a file system in memory
}
