package http1

import "fmt"

// plainRows are what works anyway: that these are right shows that the tests are.
func plainRows() []row {
	return []row{
		{name: "plain: curl, nginx", run: func(r *run) {
			addr := r.nginx(server, "", "")
			r.both(r.curl(times(50, "http://"+addr+"/200")...))
		}},
		{name: "plain: Go, Go", run: func(r *run) {
			addr := r.goServer()
			r.both(r.goClient(addr, "GET /now/200 *50", "POST /read/201 body *50", "DELETE /now/404 *10"))
		}},
		{name: "plain: requests, Node, bodies read", run: func(r *run) {
			addr := r.node(server, nil)
			r.both(r.requests(addr, "/read/201", "/now/200", 2, 50))
		}},
		{name: "plain: raw client, Apache", run: func(r *run) {
			addr := r.apache(server, nil, "")
			r.both(r.raw(addr, join(exchange("GET", "/200"), exchange("HEAD", "/large"), exchange("GET", "/403"), exchange("GET", "/large"))))
		}},
	}
}

// requests runs a session of python3-requests: a PUT with JSON and a GET, in turns.
func (r *run) requests(addr, put, get string, processes, rounds int) counts {
	r.Helper()
	return r.ask("", python, r.tool("requests_client.py"), "http://"+addr+put, "http://"+addr+get, number(processes), number(rounds))
}

// earlyRows answer before they have read the body, or without reading it at all.
func earlyRows() []row {
	const processes, rounds = 3, 200
	return []row{
		{name: "early answer: requests, Node", run: func(r *run) {
			r.both(r.requests(r.node(server, nil), "/now/401", "/now/200", processes, rounds))
		}},
		{name: "early answer: requests, aiohttp", run: func(r *run) {
			r.both(r.requests(r.python("aiohttp_server.py"), "/now/401", "/now/200", processes, rounds))
		}},
		{name: "early answer: requests, JDK", run: func(r *run) {
			r.both(r.requests(r.java(), "/now/401", "/now/200", processes, rounds))
		}},
		{name: "early answer: requests, Go", run: func(r *run) {
			r.both(r.requests(r.goServer(), "/now/401", "/now/200", processes, rounds))
		}},
		{name: "early answer: requests, nginx", run: func(r *run) {
			r.both(r.requests(r.nginx(server, "", ""), "/401", "/200", processes, rounds))
		}},
		{name: "early answer: body behind the answer, Node", run: func(r *run) {
			addr := r.node(server, nil)
			var one script
			for _, body := range []string{"GET /404 HTTP/1.1\r\nHost: a\r\n\r\n", "A", "STATUS", looksLikeHTTP, "{\"a\": 1}"} {
				head := request("PUT", "/now/401", fmt.Sprintf("Content-Length: %d", len(body)))
				one = append(one, send(head, "PUT"), recv(1), send(body), send(request("GET", "/200"), "GET"), recv(1),
					// and the rest of the body in one write with the next request
					send(head, "PUT"), recv(1), send(body+request("GET", "/200"), "GET"), recv(1))
			}
			r.both(r.raw(addr, one, one, one))
		}},
		{name: "early answer: http.server, body unread and without a line end", run: func(r *run) {
			addr := r.python("http_server.py", "HTTP/1.1")
			// The server takes the body and the next request's first line for one line, and answers with 400.
			post := withBody("POST", "/now/403", `{"model": "test", "messages": []}`)
			c := r.raw(addr, repeat(2, send(post, "POST"), recv(1), pause(0.8)))
			r.asked(client, c)
			r.served(server, c.leaveOpen("400"))
		}},
		{name: "early answer: http.server, body unread that is a request", lost: map[string]uint64{"no_request": 2}, run: func(r *run) {
			addr := r.python("http_server.py", "HTTP/1.1")
			post := withBody("POST", "/now/403", request("GET", "/now/200"))
			r.both(r.raw(addr, script{send(post, "POST"), recv(1), takeUnasked(1)}))
			if r.unasked != 1 {
				r.Errorf("%d answers to nothing, want 1", r.unasked)
			}
		}},
	}
}
