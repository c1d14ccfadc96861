// A server of Node's http module. Arguments: where to listen, and options as JSON: those of http.createServer, and "listeners",
// which names the events that are handled besides requests.
const http = require('http');
const net = require('net');

const [host, port] = process.argv[2].split(':');
const options = JSON.parse(process.argv[3]);
const listeners = options.listeners || [];

const status = {
  // Answers at once, and leaves the body to whoever comes next.
  now: (q, r, code) => {
    r.writeHead(+code, code === '204' || code === '304' ? {} : { 'Content-Length': 3 });
    r.end(code === '204' || code === '304' ? undefined : 'ok\n');
  },
  // Reads the body first, and sends it back.
  echo: (q, r, code) => {
    const pieces = [];
    q.on('data', (piece) => pieces.push(piece));
    q.on('end', () => {
      const body = Buffer.concat(pieces);
      r.writeHead(+code, { 'Content-Length': body.length });
      r.end(body);
    });
  },
  // Reads the body, and answers with a length.
  read: (q, r, code) => q.resume().on('end', () => status.now(q, r, code)),
  size: (q, r, bytes) => r.writeHead(200, { 'Content-Length': +bytes }).end('f'.repeat(+bytes)),
  text: (q, r, body) => r.writeHead(200, { 'Content-Length': Buffer.byteLength(body) }).end(body),
  // A body in pieces, each of them in a write of its own, as chunks or with a length.
  chunks: (q, r, body) => (q.httpVersion === '1.0' ? pieces(r, 200, {}, body) : pieces(r, 200, { Trailer: 'X-Sum' }, body, { 'X-Sum': '1' })),
  pieces: (q, r, body) => pieces(r, 200, { 'Content-Length': Buffer.byteLength(body.replaceAll('|', '')) }, body),
  // A length although there is no body.
  bodiless: (q, r, code) => r.writeHead(+code, { 'Content-Length': 5 }).end(),
  // Until the connection ends: HTTP/1.1 without a length.
  close: (q, r, body) => {
    r.useChunkedEncodingByDefault = false;
    r.shouldKeepAlive = false;
    pieces(r, 200, {}, body);
  },
  // Interim responses, and then a status: in writes of their own, or all in one.
  hints: (q, r, n, code) => interim(n, () => r.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' }), q, r, code),
  processing: (q, r, n, code) => interim(n, () => r.writeProcessing(), q, r, code),
  continues: (q, r, n, code) => interim(n, () => r.writeContinue(), q, r, code),
  burst: (q, r, n, code) => {
    const socket = q.socket;
    socket.cork();
    status.hints(q, r, n, code);
    process.nextTick(() => socket.uncork());
  },
  // Ends the connection within the body, or before the response.
  cut: (q, r, bytes) => {
    r.writeHead(200, { 'Content-Length': 2 * bytes });
    r.write('f'.repeat(+bytes), () => r.socket.destroySoon());
  },
  drop: (q, r) => q.socket.destroy(),
  // Says after a while, unasked, that it waited too long, as many a program does.
  idle: (q, r, ms) => {
    const socket = q.socket;
    status.now(q, r, '200');
    setTimeout(() => socket.end('HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n'), +ms);
  },
  // Answers twice.
  twice: (q, r, ms) => {
    const socket = q.socket;
    status.now(q, r, '200');
    setTimeout(() => socket.write('HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n'), +ms);
  },
  // Closes by itself after the answer.
  last: (q, r, code) => {
    r.setHeader('Connection', 'close');
    status.now(q, r, code);
  },
};

function pieces(r, code, headers, body, trailers) {
  r.writeHead(code, headers);
  const all = body.split('|');
  const next = () => {
    const piece = all.shift();
    if (piece === undefined) {
      if (trailers) r.addTrailers(trailers);
      r.end();
    } else {
      r.write(piece, () => setTimeout(next, 2));
    }
  };
  r.flushHeaders();
  next();
}

function interim(n, one, q, r, code) {
  for (let i = 0; i < +n; i++) one();
  status.now(q, r, code);
}

const handle = (q, r) => {
  const words = q.url.replace(/^https?:\/\/[^/]*/, '').split('/').slice(1).map(decodeURIComponent);
  if (/^\d+$/.test(words[0])) return status.now(q, r, words[0]);
  return (status[words[0]] || ((_, r) => status.now(q, r, '404')))(q, r, ...words.slice(1));
};

const server = http.createServer(options, handle);
server.keepAliveTimeout = options.keepAliveTimeout || 30000;
if (listeners.includes('checkContinue')) {
  // Answers without asking for the body.
  server.on('checkContinue', handle);
}
if (listeners.includes('checkExpectation')) {
  server.on('checkExpectation', (q, r) => status.now(q, r, '417'));
}
if (listeners.includes('upgrade')) {
  // Refuses an upgrade, and stays at HTTP.
  server.on('upgrade', (q, socket) => socket.write('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 3\r\n\r\nno\n'));
}
if (listeners.includes('connect')) {
  // A proxy's tunnel, unless the port is 1.
  server.on('connect', (q, socket, head) => {
    const [host, port] = q.url.split(':');
    if (port === '1') return socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    const other = net.connect(+port, host, () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      other.write(head);
      other.pipe(socket);
      socket.pipe(other);
    });
    for (const end of [socket, other]) end.on('error', () => {});
    socket.on('close', () => other.destroy());
  });
}
if (listeners.includes('websocket')) {
  const { WebSocketServer } = require('ws');
  new WebSocketServer({ server }).on('connection', (ws) => ws.on('message', (data) => ws.send(data.toString())));
}
server.listen(+port, host);
