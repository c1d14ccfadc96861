// Clients of ioredis. Arguments: what to do, host, port. The last line says in JSON what was answered.
'use strict';
const Redis = require('ioredis');

const [what, host, port] = process.argv.slice(2);
const answered = {};
const did = (command, n = 1) => { answered[command] = (answered[command] || 0) + n; };

async function tried(command, promise) {
  let result;
  try {
    result = await promise;
  } catch (error) {
    did(`${command} ${error.message.split(' ')[0]}`);
    return undefined;
  }
  did(command);
  return result;
}

const opened = [];
function open(options) {
  const client = new Redis({ host, port: Number(port), ...options });
  opened.push(client);
  return client;
}

async function rounds(c) {
  for (let round = 0; round < 50; round++) {
    await Promise.all(Array.from({ length: 30 }, (_, i) => Promise.all([
      tried('SET', c.set(`k${i}`, 'v'.repeat(round * i))),
      tried('GET', c.get(`k${i}`)),
    ])));
  }
}

const work = {
  async plain() {
    const c = open();
    await rounds(c);
    await tried('HSET', c.hset('h', { a: 1, b: 2 }));
    await tried('HGETALL', c.hgetall('h'));
    await tried('LPUSH', c.lpush('h', 'x'));
    await tried('INCR', c.call('INCR'));
  },
  async autopipeline() { await rounds(open({ enableAutoPipelining: true })); },
  async transaction() {
    const c = open();
    for (let i = 0; i < 50; i++) {
      await c.multi().set('a', i).incr('a').get('a').exec();
      did('MULTI'); did('SET'); did('INCR'); did('GET'); did('EXEC');
    }
  },
  async script() {
    const c = open();
    c.defineCommand('twice', { numberOfKeys: 1, lua: "redis.call('INCR', KEYS[1]) return redis.call('INCR', KEYS[1])" });
    // The driver sends EVAL the first time, and EVALSHA from then on.
    if (await c.twice('n') !== 2) throw new Error('another number');
    did('EVAL');
    for (let i = 0; i < 20; i++) await tried('EVALSHA', c.twice('n'));
  },
  async subscribe() {
    const [c, s] = [open(), open()];
    let seen = 0;
    let all;
    const done = new Promise((resolve) => { all = resolve; });
    s.on('message', () => { if (++seen === 100) all(); });
    await tried('SUBSCRIBE', s.subscribe('a', 'b'));
    for (let i = 0; i < 100; i++) await tried('PUBLISH', c.publish('a', 'm'.repeat(i * 31)));
    await done;
    await tried('UNSUBSCRIBE', s.unsubscribe());
    await tried('GET', s.get('a'));
  },
  async block() {
    const [c, waiting] = [open(), open()];
    const popped = tried('BLPOP', waiting.blpop('q', 20));
    await tried('RPUSH', c.rpush('q', 'x'));
    if ((await popped)[1] !== 'x') throw new Error('another element');
    await tried('BLPOP', waiting.blpop('q', 0.01));
  },
  async large() {
    const c = open();
    const value = Buffer.alloc(1 << 20, 'v');
    for (let i = 0; i < 10; i++) {
      await tried('SET', c.set('k', value));
      if (!value.equals(await tried('GET', c.getBuffer('k')))) throw new Error('another value');
    }
  },
  async deep() {
    const p = open().pipeline();
    for (let i = 0; i < 1000; i++) p.set(`k${i}`, 'v'.repeat(100));
    await p.exec();
  },
};

(async () => {
  await work[what]();
  for (const c of opened) await c.quit();
  console.log(JSON.stringify(answered));
})();
