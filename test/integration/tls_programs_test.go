package integration

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// python returns the interpreter of PATH, with the OpenSSL that it uses probed.
func python(b *tlsBench) string { return interpreter(b, program(b.T, "python3")) }

// distributionPython has the distribution's modules.
func distributionPython(b *tlsBench) string { return interpreter(b, program(b.T, "/usr/bin/python3")) }

func interpreter(b *tlsBench, path string) string {
	out, err := exec.Command(path, "-c", `
import _ssl, sys
print(sys.executable)
print(next((l.split()[-1] for l in open('/proc/self/maps') if 'libssl' in l), sys.executable))`).Output()
	if err != nil {
		b.Fatal(err)
	}
	lines := strings.Fields(string(out))
	if len(lines) != 2 {
		b.Fatalf("python3 printed %q", out)
	}
	b.probe(lines[1])
	return lines[0]
}

// servePythonAsyncio decrypts in memory: bytes are received before they are passed to OpenSSL.
func servePythonAsyncio(b *tlsBench) string {
	certificate, key := certificateFiles(b.T)
	return serve(b.T, python(b), "-c", fmt.Sprintf(`
import asyncio, ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(%q, %q)
async def answer(reader, writer):
	try:
		while True:
			head = (await reader.readuntil(b'\r\n\r\n')).decode()
			method, path, _ = head.split('\r\n')[0].split(' ')
			for line in head.split('\r\n')[1:]:
				if line.lower().startswith('content-length:'):
					await reader.readexactly(int(line.split(':')[1]))
			status = int(path[1:4])
			body = b'' if status in (204, 304) else b'x' * (40000 if status == 404 else 2)
			writer.write(b'HTTP/1.1 %%d Answer\r\nContent-Length: %%d\r\n\r\n' %% (status, len(body)))
			if method != 'HEAD':
				writer.write(body)
			await writer.drain()
	except (asyncio.IncompleteReadError, ConnectionError):
		pass
	finally:
		writer.close()
async def main():
	server = await asyncio.start_server(answer, '127.0.0.1', 0, ssl=context)
	print('127.0.0.1:%%d' %% server.sockets[0].getsockname()[1], flush=True)
	await server.serve_forever()
asyncio.run(main())`, certificate, key))
}

// servePythonApp asks a database by TLS for each request.
func servePythonApp(how string) func(*tlsBench) string {
	return func(b *tlsBench) string {
		certificate, key := certificateFiles(b.T)
		return serve(b.T, distributionPython(b), "testdata/tls/app.py", how, certificate, key)
	}
}

func serveNodeApp(b *tlsBench) string {
	certificate, key := certificateFiles(b.T)
	return serve(b.T, node(b), "testdata/tls/app.js", certificate, key)
}

// askPythonBurst asks on ten new connections in one turn of a loop.
func askPythonBurst(how string) func(*tlsBench, string) map[string]uint64 {
	return func(b *tlsBench, addr string) map[string]uint64 {
		args := []string{"testdata/tls/burst.py", how, port(addr), strconv.Itoa(b.requests)}
		return ask(b.T, distributionPython(b), append(args, kindArguments()...)...)
	}
}

// askPython keeps four connections in threads of their own.
func askPython(b *tlsBench, addr string) map[string]uint64 {
	return ask(b.T, python(b), append([]string{"-c", fmt.Sprintf(`
import collections, http.client, ssl, sys, threading
counts, kinds, n, threads = collections.Counter(), [k.split(':') for k in sys.argv[1:]], %d, 4
context = ssl._create_unverified_context()
def get(first):
	c = http.client.HTTPSConnection('127.0.0.1', %s, context=context)
	for i in range(first, n, threads):
		method, path, length = kinds[i %% len(kinds)]
		c.request(method, path, b'b' * int(length) if int(length) else None)
		r = c.getresponse()
		r.read()
		counts['%%s %%d' %% (method, r.status)] += 1
	c.close()
running = [threading.Thread(target=get, args=(i,)) for i in range(threads)]
for t in running: t.start()
for t in running: t.join()
for name, count in counts.items(): print(name, count)`, b.requests, port(addr))}, kindArguments()...)...)
}

// askCurl makes all requests of a run on one connection.
func askCurl(b *tlsBench, addr string) map[string]uint64 {
	curl := program(b.T, "curl")
	b.probe(libssl(b.T))
	counts := make(map[string]uint64)
	dir := b.TempDir()
	for done := 0; done < b.requests; {
		var config strings.Builder
		for ; done < b.requests && (done == 0 || done%2000 != 0 || config.Len() == 0); done++ {
			k := mix[done%len(mix)]
			if config.Len() > 0 {
				config.WriteString("next\n")
			}
			fmt.Fprintf(&config, "url=https://%s%s\nsilent\nshow-error\ninsecure\nhttp1.1\noutput=/dev/null\nwrite-out=\"%%{method} %%{http_code} 1\\n\"\n", addr, k.Path)
			switch {
			case k.Method == http.MethodHead:
				config.WriteString("head\n")
			case k.Body > 0:
				fmt.Fprintf(&config, "request=%s\ndata=%s\n", k.Method, strings.Repeat("b", k.Body))
			default:
				fmt.Fprintf(&config, "request=%s\n", k.Method)
			}
		}
		path := filepath.Join(dir, "curlrc")
		if err := os.WriteFile(path, []byte(config.String()), 0o600); err != nil {
			b.Fatal(err)
		}
		for name, n := range ask(b.T, curl, "-q", "-K", path) {
			counts[name] += n
		}
	}
	return counts
}

func serveNginxPeer(b *tlsBench) string {
	b.probe(libssl(b.T))
	return serveNginxTLS(b.T)
}

// serveNginxTLSProxy passes everything on, over kept connections with TLS.
func serveNginxTLSProxy(b *tlsBench) string {
	b.probe(libssl(b.T))
	b.probeSelf()
	certificate, key := certificateFiles(b.T)
	behind := start(b, "it-behind", nil).load("Serve", LoadCall{TLS: true}).Addr
	return runNginxOn(b.T, "ssl", fmt.Sprintf("ssl_certificate %s; ssl_certificate_key %s; upstream behind { server %s; keepalive 8; }", certificate, key, behind),
		"location / { proxy_pass https://behind; proxy_http_version 1.1; proxy_set_header Connection ''; }")
}

// node returns the program, which has OpenSSL in it or loads the host's.
func node(b *tlsBench) string {
	path, err := filepath.EvalSymlinks(program(b.T, "node"))
	if err != nil {
		b.Fatal(err)
	}
	b.probe(path)
	return path
}

func serveNodePeer(b *tlsBench) string {
	node(b)
	return serveNodeTLS(b.T)
}

func askNode(b *tlsBench, addr string) map[string]uint64 {
	return ask(b.T, node(b), append([]string{"-e", fmt.Sprintf(`
const https = require('https'), counts = {}, kinds = process.argv.slice(1).map(k => k.split(':'));
const agent = new https.Agent({keepAlive: true, maxSockets: 40, rejectUnauthorized: false});
let next = 0, left = 40;
function get() {
	const i = next++;
	if (i >= %d) {
		if (--left == 0) {
			agent.destroy();
			for (const name in counts) console.log(name, counts[name]);
		}
		return;
	}
	const [method, path, length] = kinds[i %% kinds.length];
	const q = https.request({host: '127.0.0.1', port: %s, method, path, agent}, r => {
		r.resume();
		r.on('end', () => {
			const name = method + ' ' + r.statusCode;
			counts[name] = (counts[name] || 0) + 1;
			get();
		});
	});
	q.on('error', e => { console.error(e); process.exit(1); });
	q.end(+length ? Buffer.alloc(+length, 'b') : undefined);
}
for (let i = 0; i < 40; i++) get();`, b.requests, port(addr))}, kindArguments()...)...)
}

// serveNodeProxy has TLS on both sides, all in one thread.
func serveNodeProxy(b *tlsBench) string {
	certificate, key := certificateFiles(b.T)
	b.probeSelf()
	behind := start(b, "it-behind", nil).load("Serve", LoadCall{TLS: true}).Addr
	return serve(b.T, node(b), "-e", fmt.Sprintf(`
const fs = require('fs'), https = require('https');
const agent = new https.Agent({keepAlive: true, maxSockets: 40, rejectUnauthorized: false});
const s = https.createServer({cert: fs.readFileSync(%q), key: fs.readFileSync(%q)}, (q, r) => {
	const {method, url: path, headers} = q;
	delete headers.connection;
	const passed = https.request({host: '127.0.0.1', port: %s, method, path, headers, agent}, a => {
		r.writeHead(a.statusCode, a.headers);
		a.pipe(r);
	});
	q.pipe(passed);
});
s.listen(0, '127.0.0.1', () => console.log('127.0.0.1:' + s.address().port));`, certificate, key, port(behind)))
}
