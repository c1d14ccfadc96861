package protocol

// HTTP1 is HTTP/1.0 and 1.1 (RFC 9112).
var HTTP1 = &Protocol{
	Name: "http1", Title: "HTTP/1", Family: HTTP,
	Recognised:  "a request line or a status line",
	Matched:     "by order",
	Ended:       "with the response's last byte",
	Operations:  enumerated("http_method", without("METHOD_")),
	Statuses:    codes(100, 599),
	FailedCodes: "5",
}
