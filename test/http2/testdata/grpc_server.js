// A server of grpc-js. Argument: where to listen. Its service is that of grpc_test.go.
const grpc = require('@grpc/grpc-js');
const { encode, decode } = require('./grpc_messages.js');

// act returns the error that a message asks for.
function act(value, call) {
  const [word, argument] = value.toString('latin1').split(':');
  if (word === 'fail' && argument !== '0') return { code: +argument, details: 'nö' };
  if (word === 'metadata') {
    const metadata = new grpc.Metadata();
    for (let i = 0; i < +argument; i++) metadata.set(`x-answer-${i}`, 'v'.repeat(20) + process.hrtime.bigint());
    call.sendMetadata(metadata);
  }
  return null;
}

const service = {
  Unary: (call, done) => {
    const error = act(call.request, call);
    done(error, error ? undefined : call.request);
  },
  Server: (call) => {
    for (let i = 0; i < 10; i++) call.write(call.request);
    const error = act(call.request, call);
    if (error) call.emit('error', error);
    else call.end();
  },
  Client: (call, done) => {
    let last = Buffer.alloc(0);
    call.on('data', (value) => { last = value; });
    call.on('end', () => {
      const error = act(last, call);
      done(error, error ? undefined : last);
    });
  },
  Bidi: (call) => {
    let over = false;
    call.on('data', (value) => {
      if (over) return;
      call.write(value);
      const error = act(value, call);
      over = error !== null;
      if (over) call.emit('error', error);
    });
    call.on('end', () => { if (!over) call.end(); });
  },
};
const methods = {};
for (const [name, requestStream, responseStream] of [['Unary', false, false], ['Server', false, true], ['Client', true, false], ['Bidi', true, true]]) {
  methods[name] = {
    path: '/test.Echo/' + name, requestStream, responseStream,
    requestSerialize: encode, requestDeserialize: decode, responseSerialize: encode, responseDeserialize: decode,
  };
}
const server = new grpc.Server();
server.addService(methods, service);
server.bindAsync(process.argv[2], grpc.ServerCredentials.createInsecure(), (error) => { if (error) throw error; });
