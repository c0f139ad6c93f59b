package sandbox

import (
	"net/netip"
	"os"

	"github.com/coo-runtime/coo/internal/box"
)

// orders is what the coo outside tells the one inside, before any command.
type orders struct {
	Argv      []string
	Name      string     // of the program, to be resolved inside when Exe is zero
	Exe       Executable // what it means
	Dir       string
	Env       []string
	Workspace string
	Over      string
	Keep      []string
	Fresh     []string
	Unlisted  []box.Inode
	Outside   []string
	Given     []Given
	CA        []byte

	// Bare is a directory for what the program is shown where there are no
	// namespaces at all; "": there are.
	Bare string

	Network   bool // of its own: level frozen
	Processes bool // a pid namespace of its own
	Root      bool // root without a user namespace
	IPv6      bool
	FirstPort string       // that an ordinary user may listen at, as /proc/sys has it
	Own       []netip.Addr // addresses of the machine
	Allow     []Endpoint
	Trial     bool // end after the preparation: a probe

	Conducted bool     // a tracer holds the program: level deterministic
	Seed      [32]byte // of its randomness
	Start     int64    // of its clocks, nanoseconds since 1970
	Trace     string   // a file for its system calls; "": none
}

// root reports whether the program is root inside: of the machine, of the
// container that coo is in, or of a user namespace alone.
func (o *orders) root() bool { return os.Geteuid() == 0 }

// A command is what the coo outside says later.
type command struct {
	Do     string // run, signal, kill, order
	Signal int
	Order  *box.Order
}

// A report is what the coo inside says, one JSON value a line. The first
// carries the descriptors of the listeners.
type report struct {
	Ready     bool
	Listeners int    // how many descriptors come with it
	Step      string // what went wrong: files, processes, network, program
	Error     string
	Exit      *Exit
	Event     *box.Event // of a conducted program
}

// The listeners, in the order in which they are handed out: TCP for
// everything, TCP and UDP for names; then the same for IPv6.
const listenersPerFamily = 3
