package metrics

import "io"

const chunkSize = 64 << 10

// chunks is a body of unknown size, kept without the copies of a growing slice.
type chunks struct {
	list [][]byte
	size int
}

// Write implements [io.Writer]. It never fails.
func (c *chunks) Write(p []byte) (int, error) {
	n := len(p)
	c.size += n
	for len(p) > 0 {
		last := len(c.list) - 1
		if last < 0 || len(c.list[last]) == chunkSize {
			c.list = append(c.list, make([]byte, 0, chunkSize))
			last++
		}
		room := min(chunkSize-len(c.list[last]), len(p))
		c.list[last] = append(c.list[last], p[:room]...)
		p = p[room:]
	}
	return n, nil
}

// WriteTo implements [io.WriterTo].
func (c *chunks) WriteTo(w io.Writer) (n int64, err error) {
	for _, chunk := range c.list {
		m, err := w.Write(chunk)
		n += int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
