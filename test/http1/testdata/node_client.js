// A client of Node's http module that keeps its connection. Arguments: the origin, and requests as JSON: [{method, path, headers,
// pieces, trailers, how often}, ...]. Without a Content-Length the body goes in chunks. Prints METHOD STATUS COUNT SECONDS.
const http = require('http');

const [, , origin, text] = process.argv;
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const seen = new Map();

const one = ({ method, path, headers, pieces, trailers }) => new Promise((resolve, reject) => {
  const start = process.hrtime.bigint();
  const request = http.request(origin + path, { method, headers, agent }, (response) => {
    response.resume().on('end', () => {
      const key = method + ' ' + response.statusCode;
      const [n, seconds] = seen.get(key) || [0, 0];
      seen.set(key, [n + 1, seconds + Number(process.hrtime.bigint() - start) / 1e9]);
      resolve();
    });
  });
  request.on('error', reject);
  const left = (pieces || []).slice();
  const next = () => {
    const piece = left.shift();
    if (piece === undefined) {
      if (trailers) request.addTrailers(trailers);
      request.end();
    } else {
      request.write(piece, () => setTimeout(next, 2));
    }
  };
  next();
});

(async () => {
  for (const request of JSON.parse(text)) {
    for (let i = 0; i < (request.times || 1); i++) await one(request);
  }
  agent.destroy();
  for (const [key, [n, seconds]] of seen) console.log(key, n, seconds.toFixed(6));
})();
