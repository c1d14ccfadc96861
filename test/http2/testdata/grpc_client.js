// A client of grpc-js. Arguments: an address, how many calls, how many at once, and kinds of calls in turn: see calls in grpc_test.go.
// Prints "gRPC STATUS COUNT".
const grpc = require('@grpc/grpc-js');
const { encode, decode } = require('./grpc_messages.js');

const [address, n, atOnce, ...kinds] = process.argv.slice(2);
const client = new grpc.Client(address, grpc.credentials.createInsecure(), { 'grpc.max_receive_message_length': -1 });
const counts = {};
let next = 0;

function one(kind, done) {
  const [method, text] = kind.split(' ');
  const path = '/test.Echo/' + method;
  const value = /^x\d+$/.test(text) ? Buffer.alloc(+text.slice(1)) : Buffer.from(text);
  const metadata = new grpc.Metadata();
  if (text.startsWith('metadata')) for (let i = 0; i < 10; i++) metadata.set(`x-request-${i}`, 'q'.repeat(20) + process.hrtime.bigint());
  let call;
  if (method === 'Server') call = client.makeServerStreamRequest(path, encode, decode, value, metadata);
  else if (method === 'Client') call = client.makeClientStreamRequest(path, encode, decode, metadata, () => {});
  else if (method === 'Bidi') call = client.makeBidiStreamRequest(path, encode, decode, metadata);
  else call = client.makeUnaryRequest(path, encode, decode, value, metadata, () => {});
  call.on('data', () => {});
  call.on('error', () => {});
  call.on('status', (status) => {
    const name = grpc.status[status.code];
    counts[name] = (counts[name] || 0) + 1;
    setImmediate(done);
  });
  if (method === 'Client' || method === 'Bidi') {
    for (let i = 0; i < 5; i++) call.write(value);
    call.end();
  }
}

let working = +atOnce;
function work() {
  if (next < +n) {
    one(kinds[next++ % kinds.length], work);
  } else if (--working === 0) {
    client.close();
    for (const [name, count] of Object.entries(counts)) console.log('gRPC', name, count);
  }
}
for (let i = 0; i < +atOnce; i++) work();
