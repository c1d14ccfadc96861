package http1

import (
	"encoding/json"
	"fmt"
	"strings"
)

// step is one of testdata/raw.py.
type step []any

// script is what the raw client does on one connection.
type script []step

// send writes one text, in which requests with these methods begin.
func send(text string, methods ...string) step { return sendPieces([]string{text}, methods...) }

// sendPieces writes each piece by itself.
func sendPieces(pieces []string, methods ...string) step {
	if methods == nil {
		methods = []string{}
	}
	return step{"send", pieces, methods}
}

func recv(n int) step        { return step{"recv", n} }
func pause(s float64) step   { return step{"pause", s} }
func takeUnasked(n int) step { return step{"unasked", n} }
func takeBytes(n int) step   { return step{"bytes", n} }
func untilEnd() step         { return step{"end"} }

// alive goes on if the server does not end the connection within some seconds.
func alive(s float64) step { return step{"alive", s} }

func reset() step { return step{"reset"} }
func repeat(n int, s ...step) (all script) {
	for range n {
		all = append(all, s...)
	}
	return all
}

// raw runs the raw client, with all scripts at the same time, and returns what it saw.
func (r *run) raw(addr string, scripts ...script) counts { return r.rawReads(addr, 65536, scripts...) }

// rawReads is raw with reads of at most so many bytes.
func (r *run) rawReads(addr string, size int, scripts ...script) counts {
	r.Helper()
	input, err := json.Marshal(map[string]any{"addr": addr, "size": size, "conns": scripts})
	if err != nil {
		r.Fatal(err)
	}
	return r.ask(string(input), python, r.tool("raw.py"))
}

// request is one without a body.
func request(method, target string, fields ...string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n", method, target, lines(fields))
}

// withBody is a request with a body and its length.
func withBody(method, target, body string, fields ...string) string {
	return request(method, target, append(fields, fmt.Sprintf("Content-Length: %d", len(body)))...) + body
}

func lines(fields []string) string {
	if len(fields) == 0 {
		return ""
	}
	return strings.Join(fields, "\r\n") + "\r\n"
}

// exchange sends a request and waits for its response.
func exchange(method, target string) script {
	return script{send(request(method, target), method), recv(1)}
}

// join makes one script of several.
func join(scripts ...script) (all script) {
	for _, s := range scripts {
		all = append(all, s...)
	}
	return all
}
