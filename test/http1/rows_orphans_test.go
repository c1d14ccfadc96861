package http1

// orphanRows have responses that answer nothing, mostly a 408 on a connection that has been idle. They are nobody's, and do not
// lengthen the exchange before.
func orphanRows() []row {
	nothing := func(n uint64) map[string]uint64 { return map[string]uint64{"no_request": n} }
	return []row{
		{name: "408 on an idle connection: Node, raw client", lost: nothing(6), run: func(r *run) {
			addr := r.node(server, nil)
			one := join(exchange("GET", "/idle/1200"), script{takeUnasked(1), untilEnd()})
			r.both(r.raw(addr, one, one, one))
		}},
		{name: "408 on an idle connection: Node, Go", lost: nothing(2), run: func(r *run) {
			addr := r.node(server, nil)
			r.both(r.goClient(addr, "GET /idle/1200", "SLEEP 1600", "GET /200"))
		}},
		{name: "a second answer: Node", lost: nothing(2), run: func(r *run) {
			addr := r.node(server, nil)
			r.both(r.raw(addr, join(exchange("POST", "/twice/1200"), script{takeUnasked(1)}, exchange("GET", "/200"))))
		}},
		// A head that stops half-way is a request, which is answered by 408.
		{name: "408 to half a head: Node", run: func(r *run) {
			r.halfHead(r.node(server, nodeOptions{"headersTimeout": 500, "requestTimeout": 500, "connectionsCheckingInterval": 100}))
		}},
		{name: "408 to half a head: haproxy", run: func(r *run) {
			r.halfHead(r.haproxy(server, "", "timeout http-request 500ms\n\thttp-request return status 200"))
		}},
		{name: "408 to half a head: Apache", run: func(r *run) {
			r.halfHead(r.apache(server, nil, "RequestReadTimeout header=1 body=1"))
		}},
		// The servers' own limits of idle time: they close, with a 408 or without.
		{name: "idle until the server closes: Node", run: func(r *run) { r.idle(r.node(server, nodeOptions{"keepAliveTimeout": 500})) }},
		{name: "idle until the server closes: haproxy", run: func(r *run) {
			r.idle(r.haproxy(server, "", "timeout http-keep-alive 500ms\n\ttimeout http-request 500ms\n\thttp-request return status 200"))
		}},
		{name: "idle until the server closes: Apache", run: func(r *run) { r.idle(r.apache(server, nil, "KeepAliveTimeout 1")) }},
		{name: "idle until the server closes: nginx", run: func(r *run) { r.idle(r.nginx(server, "", "keepalive_timeout 1s;")) }},
		{name: "a connection without a request: haproxy", lost: map[string]uint64{"no_request": anyNumber}, run: func(r *run) {
			addr := r.haproxy(server, "", "timeout http-request 300ms\n\thttp-request return status 200")
			r.both(r.raw(addr, script{takeUnasked(1)}, exchange("GET", "/200")))
		}},
	}
}

func (r *run) halfHead(addr string) {
	r.Helper()
	half := script{send("GET /200 HTTP/1.1\r\nHost: a\r\nCook", "GET"), recv(1)}
	r.both(r.raw(addr, half, join(exchange("GET", "/200"), exchange("GET", "/200"), half)))
}

func (r *run) idle(addr string) {
	r.Helper()
	one := join(exchange("GET", "/200"), script{send(withBody("PUT", "/200", "a=1"), "PUT"), recv(1), untilEnd()})
	r.both(r.raw(addr, one, one))
}
