package protocol

// HTTP2 is HTTP/2 (RFC 9113). Its exchanges are in the same series as those of HTTP/1: see [Protocol.Shown].
var HTTP2 = &Protocol{
	Name: "http2", Title: "HTTP/2", Family: HTTP,
	Recognised:  "the connection preface, or the first SETTINGS of a server; a connection that is older than the agent, by frame headers",
	Matched:     "by the stream's number",
	Ended:       "with the last byte of the response's last frame, or with the stream's reset",
	Operations:  enumerated("http_method", without("METHOD_")),
	Statuses:    codes(100, 599),
	FailedCodes: "5",
}
