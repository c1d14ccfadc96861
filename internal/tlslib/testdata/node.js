// Sends bytes to and fro between a TLS server and a client, and prints how many each of the two
// directions had together, which is what both ends read and what both wrote:
//     node.js CERTIFICATE KEY ROUNDS
const fs = require('fs');
const tls = require('tls');
const [cert, key] = process.argv.slice(2, 4).map((name) => fs.readFileSync(name));
const rounds = Number(process.argv[4]);
let bytes = 0;

const server = tls.createServer({ cert, key }, (socket) => {
	socket.on('data', (data) => {
		bytes += data.length;
		socket.write(data);
	});
	socket.on('end', () => socket.end());
});

server.listen(0, '127.0.0.1', () => {
	let round = 0;
	let missing = 0;
	const client = tls.connect({ port: server.address().port, host: '127.0.0.1', rejectUnauthorized: false });
	const next = () => {
		if (round++ === rounds) {
			client.end();
			return;
		}
		missing = 1 + (round % 2000);
		client.write(Buffer.alloc(missing));
	};
	client.on('secureConnect', next);
	client.on('data', (data) => {
		bytes += data.length;
		missing -= data.length;
		if (missing === 0) next();
	});
	client.on('close', () => {
		server.close();
		console.log(bytes);
	});
});
