// A client of Node's http2 module. Arguments: an address, how many requests, how many at once, and kinds of requests in turn:
// "METHOD PATH [BYTES]". Prints METHOD STATUS COUNT.
const http2 = require('http2');

const [address, n, atOnce, ...kinds] = process.argv.slice(2);
const session = http2.connect('http://' + address, { maxSessionMemory: 1000 });
const counts = {};
let next = 0;

function one(kind, done) {
  const [method, path, bytes] = kind.split(' ');
  const stream = session.request({ ':method': method, ':path': path }, { endStream: bytes === undefined });
  let status;
  stream.on('response', (headers) => { status = headers[':status']; });
  stream.on('error', () => {});
  stream.on('close', () => {
    const key = method + ' ' + (status || (stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM ? 'refused' : 'reset_by_server'));
    counts[key] = (counts[key] || 0) + 1;
    done();
  });
  if (bytes !== undefined) stream.end(Buffer.alloc(+bytes));
  stream.resume();
}

let working = +atOnce;
function work() {
  if (next < +n) {
    one(kinds[next++ % kinds.length], work);
  } else if (--working === 0) {
    session.close();
    for (const [key, count] of Object.entries(counts)) console.log(key, count);
  }
}
for (let i = 0; i < +atOnce; i++) work();
