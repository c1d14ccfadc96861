// A server of Node's http2 module. Argument: where to listen. It answers /size/N with so many bytes, /now/STATUS at once, and
// /read/STATUS behind the body.
const http2 = require('http2');

const [host, port] = process.argv[2].split(':');
const server = http2.createServer({ maxSessionMemory: 1000 }, (q, r) => {
  const [, what, word] = q.url.split('/');
  if (what === 'size') {
    r.writeHead(200, { 'content-length': +word });
    r.end(q.method === 'HEAD' ? undefined : 'f'.repeat(+word));
  } else if (what === 'now') {
    r.writeHead(+word);
    r.end();
  } else {
    q.resume().on('end', () => {
      r.writeHead(+word);
      r.end('read\n');
    });
  }
});
server.listen(+port, host);
