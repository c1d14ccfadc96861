package tlswatch

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Bounds of what is read of one process's maps. vm.max_map_count is 65530 by default, and a line of a
// library has some 100 bytes.
const (
	maxMaps  = 8 << 20 // bytes
	maxFiles = 1024    // files mapped executable; a large Python program has some 300
)

// mapping is the first executable mapping of a file.
type mapping struct {
	span string // "start-end", its name in map_files
	dev  uint64 // as the line has it; see [status.isFile] for where it differs from what stat says
	ino  uint64
	// name is the path as the line has it: relative to the reader's root directory or, if that
	// does not lead there, to the root of the process's mount namespace, with each newline written
	// as \012 and with " (deleted)" after it once it is unlinked (d_path in fs/d_path.c, show_map_vma
	// in fs/proc/task_mmu.c). A backslash is not escaped, so that the name is ambiguous.
	name string
}

// parseMaps returns the files that are mapped executable, each once. What is beyond the bounds is left
// out. Lines that are no lines of maps are passed over: none comes from the kernel.
func parseMaps(r io.Reader) ([]mapping, error) {
	var found []mapping
	seen := make(map[[2]uint64]bool)
	lines := bufio.NewScanner(io.LimitReader(r, maxMaps))
	lines.Buffer(make([]byte, 0, 16<<10), 64<<10) // a path has PATH_MAX bytes at most, each of which may be escaped
	for lines.Scan() && len(found) < maxFiles {
		m, executable, ok := parseMapping(lines.Bytes())
		if !ok || !executable || m.ino == 0 || seen[[2]uint64{m.dev, m.ino}] {
			continue
		}
		seen[[2]uint64{m.dev, m.ino}] = true
		found = append(found, m)
	}
	if err := lines.Err(); err != nil {
		return found, fmt.Errorf("read maps: %w", err)
	}
	return found, nil
}

// parseMapping reads one line, see proc_pid_maps(5):
//
//	7f94aded0000-7f94adef2000 r-xp 00002000 fe:00 316526                     /usr/lib/name
func parseMapping(line []byte) (m mapping, executable, ok bool) {
	space := bytes.IndexByte(line, ' ')
	if space < 0 || space+4 >= len(line) || line[space+3] != 'x' {
		return m, false, space > 0 // most lines need no more than this look
	}
	fields := strings.SplitN(string(line), " ", 6)
	if len(fields) < 6 || len(fields[1]) != 4 {
		return m, false, false
	}
	m.name = strings.TrimLeft(fields[5], " ")
	major, minor, _ := strings.Cut(fields[3], ":")
	hi, err1 := strconv.ParseUint(major, 16, 32)
	lo, err2 := strconv.ParseUint(minor, 16, 32)
	ino, err3 := strconv.ParseUint(fields[4], 10, 64)
	m.dev, m.ino = unix.Mkdev(uint32(hi), uint32(lo)), ino
	m.span, ok = spanOf(fields[0])
	return m, true, ok && err1 == nil && err2 == nil && err3 == nil
}

// spanOf returns the name that a mapping has in map_files. Addresses below 4 GiB are filled up with zeros in maps (show_vma_header_prefix
// in fs/proc/task_mmu.c), and must not be there (proc_map_files_readdir and dname_to_vma_addr in fs/proc/base.c).
func spanOf(addresses string) (span string, ok bool) {
	start, end, ok := strings.Cut(addresses, "-")
	from, err1 := strconv.ParseUint(start, 16, 64)
	to, err2 := strconv.ParseUint(end, 16, 64)
	return fmt.Sprintf("%x-%x", from, to), ok && err1 == nil && err2 == nil
}

// paths returns what the name may mean: with a newline, or with a backslash and digits.
func (m mapping) paths() []string {
	names := []string{m.name}
	if strings.Contains(m.name, `\012`) {
		names = []string{strings.ReplaceAll(m.name, `\012`, "\n"), m.name}
	}
	return names
}

// deletedSuffix is what d_path appends to the name of a file that is unlinked.
const deletedSuffix = " (deleted)"

// base returns the name's last element, without what d_path appends.
func (m mapping) base() string {
	name := strings.TrimSuffix(m.name, deletedSuffix)
	return name[strings.LastIndexByte(name, '/')+1:]
}
