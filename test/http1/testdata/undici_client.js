// An undici client that pipelines. Arguments: the origin, the depth, and requests as JSON: [[method, path, body, how often], ...].
// Prints METHOD STATUS COUNT SECONDS.
const { Client } = require('undici');

const [, , origin, depth, text] = process.argv;
const client = new Client(origin, { pipelining: +depth });
const seen = new Map();

const one = async (method, path, body) => {
  const start = process.hrtime.bigint();
  const { statusCode, body: response } = await client.request({ method, path, body: body || undefined, idempotent: true });
  await response.text();
  const key = method + ' ' + statusCode;
  const [n, seconds] = seen.get(key) || [0, 0];
  seen.set(key, [n + 1, seconds + Number(process.hrtime.bigint() - start) / 1e9]);
};

(async () => {
  const all = [];
  const list = JSON.parse(text);
  for (let i = 0; list.some(([, , , times]) => i < times); i++) {
    for (const [method, path, body, times] of list) if (i < times) all.push(one(method, path, body));
  }
  await Promise.all(all);
  await client.close();
  for (const [key, [n, seconds]] of seen) console.log(key, n, seconds.toFixed(6));
})();
