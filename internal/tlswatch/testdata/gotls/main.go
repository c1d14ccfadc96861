// Gotls links crypto/tls, says that it runs and waits.
package main

import (
	"crypto/tls"
	"io"
	"os"
)

func main() {
	if len(os.Args) > 1 {
		conn, err := tls.Dial("tcp", os.Args[1], nil)
		if err == nil {
			io.Copy(os.Stdout, conn)
		}
	}
	os.Stdout.WriteString("ready\n")
	io.Copy(io.Discard, os.Stdin)
}
