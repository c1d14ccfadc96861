// Package wire is what a guest's init and the host say to each other: one Plan, which is a file
// of the guest, and then Messages from the guest, gob-encoded on a serial port of their own.
package wire

import "time"

// Where the guest's init finds its files, and where tasks leave what is to be brought back.
const (
	PlanFile = "/guest/plan.gob"
	Init     = "/init"
	Work     = "/work"
	Out      = "/out"
)

// Plan says what a guest does before it powers off.
type Plan struct {
	Time    time.Time // what its clock is set to
	Port    string    // device for the messages
	Modules []string  // files of kernel modules, in the order in which they are loaded
	Tasks   []Task    // one after the other
	Archive bool      // send back what is in Out
}

// Task is a command to run.
type Task struct {
	Args  []string // the first is a path in the guest
	Env   []string // K=V, besides PATH, HOME and TMPDIR
	Dir   string   // working directory, made if it is missing
	Out   string   // the same for a folder below the constant Out
	Limit time.Duration
}

// Kind says what a message is about and which of its fields count.
type Kind int

const (
	// Ready is sent once, before the first task: Data names the running kernel's release.
	Ready Kind = iota + 1
	// Output is a piece of what the task wrote to its standard output and error.
	Output
	// Exit is the end of the task.
	Exit
	// Archive is a piece of a tar of Out.
	Archive
	// Log is the kernel's messages, all at once.
	Log
	// End is the last message of a guest that carried out its plan.
	End
)

// Message is what the guest tells.
type Message struct {
	Kind Kind
	Task int // index into Plan.Tasks
	Data []byte
	Exit Status
}

// Status is how a task ended.
type Status struct {
	Code     int // as a shell has it: 128 and the signal's number, 127 if it could not be started
	TimedOut bool
	Elapsed  time.Duration // by the guest's clock
}
