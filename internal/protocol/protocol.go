// Package protocol lists the protocols whose exchanges Fathom counts: what they are called, what can be asked in them and
// answered, and in which metrics they are. All that names a protocol takes the name from here: the kernel side's
// reader, the metrics and their reference, the history, the page, `fathom top` and the dashboards.
//
// A protocol is one entry, in a file of its own. The entry names the enumerations of the kernel side that number its
// operations and statuses; their enumerators come from the BPF object ([Enumerators]), so that no name depends on
// a position in two lists.
package protocol

import (
	"slices"
	"strings"
)

// Protocol is an entry of the list.
type Protocol struct {
	// Name is the class of its connections, unless it has a Carrier, and in capitals what the kernel side's PROTOCOL_ and CLASS_ end in.
	Name string
	// Title is its name for people.
	Title string
	// Family says in which metrics its exchanges are.
	Family *Family
	// Carrier is the protocol whose connections its exchanges are on, and whose class these have. Nil: they are its own.
	Carrier *Protocol
	// System is the value of the family's system label; empty if the family has none.
	System string

	// Recognised, Matched and Ended say, for the reference, by which bytes a connection is known, how a response finds its
	// request, and where an exchange ends.
	Recognised, Matched, Ended string

	// Operations are what can be asked for, Statuses how it can end, by the kernel side's numbers. [StatusResetByClient] and
	// those above it are statuses of all protocols. A protocol of a family without an OperationLabel has no Operations.
	Operations, Statuses Names
	// StatusesAre says, for the reference, what the names of statuses are.
	StatusesAre string
	// Waits are operations that last until something happens: their time says how patient the caller is.
	Waits []string
	// Housekeeping are operations that client libraries do by themselves, whose failures no application sees.
	Housekeeping []string
	// Success are the statuses that are no failures, besides [Unknown]. Nil: FailedCodes are the failures.
	Success []string
	// FailedCodes is the first digit of the codes that are failures, where statuses are codes.
	FailedCodes string

	number uint8
}

// all is the list, in any order.
func all() []*Protocol { return []*Protocol{HTTP1, Redis, HTTP2, GRPC} }

// byNumber has the protocols where the kernel side numbers them.
var byNumber = number(all())

func number(list []*Protocol) []*Protocol {
	out := make([]*Protocol, len(Enumerators("protocol")))
	for _, p := range list {
		if n := slices.Index(Enumerators("protocol"), "PROTOCOL_"+strings.ToUpper(p.Name)); n >= 0 {
			p.number, out[n] = uint8(n), p //nolint:gosec // a byte in the kernel
		}
	}
	return out
}

// All returns the protocols in the order of the kernel side's numbers.
func All() []*Protocol {
	return slices.DeleteFunc(slices.Clone(byNumber), func(p *Protocol) bool { return p == nil })
}

// Numbered returns the protocol that the kernel side gives a number; nil if there is none.
func Numbered(n uint8) *Protocol {
	if int(n) < len(byNumber) {
		return byNumber[n]
	}
	return nil
}

// Class is the name of the class of its connections.
func (p *Protocol) Class() string {
	if p.Carrier != nil {
		return p.Carrier.Name
	}
	return p.Name
}

// Number is the kernel side's.
func (p *Protocol) Number() uint8 { return p.number }

// Shown is the protocol as which the metrics show p: the first whose exchanges have the same labels.
func (p *Protocol) Shown() *Protocol {
	for _, o := range byNumber {
		if o != nil && o.Family == p.Family && o.System == p.System {
			return o
		}
	}
	return p
}

// The statuses that all protocols have.
const (
	StatusResetByClient uint16 = 0xfffa // the client gave the stream up before the response had a status
	StatusResetByServer uint16 = 0xfffb // the server did
	StatusRefused       uint16 = 0xfffc // the server did, and says that it has done nothing for the request
	StatusUnknown       uint16 = 0xfffd // the response had one, and which it was could not be told
	StatusAborted       uint16 = 0xfffe // the connection ended before the response had a status
	StatusOther         uint16 = 0xffff // none that has a name
)

// What labels say where nothing else is known.
const (
	Unknown        = "unknown"
	Aborted        = "aborted"
	ResetByClient  = "reset_by_client"
	ResetByServer  = "reset_by_server"
	Refused        = "refused"
	Other          = "other"
	OtherOperation = "OTHER"
)

// Status returns the value of the label status for a number.
func (p *Protocol) Status(n uint16) string {
	switch n {
	case StatusUnknown:
		return Unknown
	case StatusAborted:
		return Aborted
	case StatusResetByClient:
		return ResetByClient
	case StatusResetByServer:
		return ResetByServer
	case StatusRefused:
		return Refused
	}
	if s := p.Statuses.Name(int(n)); s != "" {
		return s
	}
	return Other
}

// Operation returns the name of an operation; nothing if the protocol has none.
func (p *Protocol) Operation(n uint8) string {
	if p.Family.OperationLabel == "" {
		return ""
	}
	if s := p.Operations.Name(int(n)); s != "" {
		return s
	}
	return OtherOperation
}

// Failed reports whether an exchange failed, seen by whoever asked. Those of housekeeping never do, nor do those of which nobody knows.
func (p *Protocol) Failed(operation, status string) bool {
	switch {
	case p.IsHousekeeping(operation), status == Unknown:
		return false
	case isCutOff(status):
		return true
	case p.Success == nil:
		return len(status) == 3 && p.FailedCodes != "" && status[:1] == p.FailedCodes
	}
	return !slices.Contains(p.Success, status)
}

// isCutOff reports whether an exchange ended without a status.
func isCutOff(status string) bool {
	return slices.Contains([]string{Aborted, ResetByClient, ResetByServer, Refused}, status)
}

// IsHousekeeping reports whether client libraries do an operation by themselves.
func (p *Protocol) IsHousekeeping(operation string) bool {
	return slices.Contains(p.Housekeeping, operation)
}

// IsWait reports whether an operation lasts until something happens.
func (p *Protocol) IsWait(operation string) bool { return slices.Contains(p.Waits, operation) }
