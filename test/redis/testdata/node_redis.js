// Clients of node-redis. Arguments: the module, what to do, host, port, 2 or 3 for RESP. The last line says in JSON what was answered.
'use strict';
const [module_, what, host, port, resp] = process.argv.slice(2);
const { createClient } = require(module_);

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

const connected = [];
async function open() {
  const client = createClient({ url: `redis://${host}:${port}`, ...(resp === '3' ? { RESP: 3 } : {}) });
  client.on('error', (error) => { throw error; });
  await client.connect();
  connected.push(client);
  return client;
}

const work = {
  // What is asked in one turn of the event loop goes out in one write.
  async plain() {
    const c = await open();
    for (let round = 0; round < 50; round++) {
      await Promise.all(Array.from({ length: 30 }, (_, i) => Promise.all([
        tried('SET', c.set(`k${i}`, 'v'.repeat(round * i))),
        tried('GET', c.get(`k${i}`)),
      ])));
    }
    await tried('HSET', c.hSet('h', { a: '1', b: '2' }));
    await tried('HGETALL', c.hGetAll('h'));
    await tried('LPUSH', c.lPush('h', 'x'));
    await tried('INCR', c.sendCommand(['INCR']));
  },
  async transaction() {
    const c = await open();
    for (let i = 0; i < 50; i++) {
      await c.multi().set('a', `${i}`).incr('a').get('a').exec();
      did('MULTI'); did('SET'); did('INCR'); did('GET'); did('EXEC');
    }
  },
  async subscribe() {
    const c = await open();
    const s = await open();
    let seen = 0;
    let all;
    const done = new Promise((resolve) => { all = resolve; });
    const listener = () => { if (++seen === 100) all(); };
    await tried('SUBSCRIBE', s.subscribe('a', listener));
    await tried('PSUBSCRIBE', s.pSubscribe('p*', () => {}));
    for (let i = 0; i < 100; i++) {
      await tried('PUBLISH', c.publish('a', 'm'.repeat(i * 31)));
      await tried('PUBLISH', c.publish('pq', 'm'));
    }
    await done;
    await tried('UNSUBSCRIBE', s.unsubscribe('a'));
    await tried('PUNSUBSCRIBE', s.pUnsubscribe('p*'));
    await tried('GET', s.get('a'));
  },
  async block() {
    const [c, waiting] = [await open(), await open()];
    const popped = tried('BLPOP', waiting.blPop('q', 20));
    await tried('RPUSH', c.rPush('q', 'x'));
    if ((await popped).element !== 'x') throw new Error('another element');
    await tried('BLPOP', waiting.blPop('q', 0.01));
  },
  async large() {
    const c = await open();
    const value = 'v'.repeat(1 << 20);
    for (let i = 0; i < 10; i++) {
      await tried('SET', c.set('k', value));
      if (await tried('GET', c.get('k')) !== value) throw new Error('another value');
    }
  },
  async deep() {
    const c = await open();
    await Promise.all(Array.from({ length: 1000 }, (_, i) => tried('SET', c.set(`k${i}`, 'v'.repeat(100)))));
  },
};

(async () => {
  await work[what]();
  for (const c of connected) await c.quit();
  console.log(JSON.stringify(answered));
})();
