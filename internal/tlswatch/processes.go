package tlswatch

import "sync"

// known is a process that was told about.
type known struct {
	pid   uint32
	token uint64 // names this entry, of all that the number ever had
	about Process
	held  []*attachment
}

// maxProcesses bounds the processes that are known. Beyond it processes are asked about again and again.
const maxProcesses = 65536

// processes are those that were told about.
type processes struct {
	mu    sync.Mutex
	byPID map[uint32]*known
	pids  map[uint64]uint32 // by token
	last  uint64
}

func newProcesses() *processes {
	return &processes{byPID: make(map[uint32]*known), pids: make(map[uint64]uint32)}
}

// set enters a process, gives it a token, and returns what it replaces. It fails if there is no room.
func (p *processes) set(k *known) (old known, replaced, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.byPID[k.pid]
	if before == nil && len(p.byPID) >= maxProcesses {
		return known{}, false, false
	}
	if before != nil {
		old, replaced = *before, true
		delete(p.pids, before.token)
	}
	p.last++
	k.token = p.last
	p.byPID[k.pid], p.pids[k.token] = k, k.pid
	return old, replaced, true
}

// remove takes a process out by its number.
func (p *processes) remove(pid uint32) (known, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.byPID[pid]
	if k == nil {
		return known{}, false
	}
	delete(p.byPID, pid)
	delete(p.pids, k.token)
	return *k, true
}

// end takes a process out by its token, if that is still the one of its number.
func (p *processes) end(token uint64) (known, bool) {
	p.mu.Lock()
	pid, ok := p.pids[token]
	p.mu.Unlock()
	if !ok {
		return known{}, false
	}
	return p.remove(pid)
}

// counts returns how many processes there are by what was told about them.
func (p *processes) counts() map[Opaque]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := make(map[Opaque]int)
	for _, k := range p.byPID {
		n[k.about.Opaque]++
	}
	return n
}
