package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"unsafe"

	"golang.org/x/sys/windows"
)

// A group is the job object that holds a program and all that it starts.
// Windows ends them when the job's last handle is closed, so that a coo that
// is killed leaves nothing running.
type group struct{ job windows.Handle }

func (g *group) prepare(*exec.Cmd) {}

// started puts the program into its job. What it starts before that moment
// is not held.
func (g *group) started(cmd *exec.Cmd) error {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return fmt.Errorf("job object: %w", err)
	}
	g.job = job
	info := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{
		BasicLimitInformation: windows.JOBOBJECT_BASIC_LIMIT_INFORMATION{LimitFlags: windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE},
	}
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	if err != nil {
		return fmt.Errorf("job object: %w", err)
	}
	h, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(cmd.Process.Pid))
	if err != nil {
		return fmt.Errorf("job object: %w", err)
	}
	defer windows.CloseHandle(h)
	if err := windows.AssignProcessToJobObject(job, h); err != nil {
		return fmt.Errorf("job object: %w", err)
	}
	return nil
}

// signal does nothing: Windows gives Ctrl-C to every process of the console.
func (g *group) signal(*exec.Cmd, os.Signal) {}

func (g *group) kill(cmd *exec.Cmd) {
	if g.job != 0 {
		windows.TerminateJobObject(g.job, 1) //nolint:errcheck // nothing of it is left
		windows.CloseHandle(g.job)           //nolint:errcheck // as above
		g.job = 0
	} else if cmd.Process != nil {
		cmd.Process.Kill() //nolint:errcheck // as above
	}
}

func exitOf(s *os.ProcessState) Exit { return Exit{Status: s.ExitCode()} }
