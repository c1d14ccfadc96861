// Opens connections to a WebSocket server one after the other, and sends messages on each. Arguments: the URL, how many, how many
// messages. Prints METHOD STATUS COUNT.
const { WebSocket } = require('ws');

const [, , url, connections, messages] = process.argv;

const one = () => new Promise((resolve, reject) => {
  const ws = new WebSocket(url);
  let answers = 0;
  ws.on('open', () => {
    for (let i = 0; i < +messages; i++) ws.send('GET / HTTP/1.1\r\n\r\n');
  });
  ws.on('message', () => {
    if (++answers === +messages) ws.close();
  });
  ws.on('close', resolve);
  ws.on('error', reject);
});

(async () => {
  for (let i = 0; i < +connections; i++) await one();
  console.log('GET 101', connections);
})();
