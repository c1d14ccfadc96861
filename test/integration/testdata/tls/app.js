// An HTTPS server that asks a database by TLS for each request, as PostgreSQL's clients do: a question in clear, an answer of one
// byte, and then TLS on the same connection. It prints its address.
//
// app.js CERTIFICATE KEY
const fs = require('fs'), https = require('https'), net = require('net'), tls = require('tls');
const {fork} = require('child_process');

const [certificate, key, role] = process.argv.slice(2);
const credentials = {cert: fs.readFileSync(certificate), key: fs.readFileSync(key)};
const query = Buffer.from('Q\0\0\0\rSELECT 1\0'), row = Buffer.concat([Buffer.from('D\0\0\x01\x30'), Buffer.alloc(300, 'r')]);

if (role === 'database') {
	const context = tls.createSecureContext(credentials);
	const s = net.createServer(plain => {
		plain.on('error', () => {});
		plain.once('data', () => {
			plain.write('S');
			const c = new tls.TLSSocket(plain, {isServer: true, secureContext: context});
			c.on('error', () => {});
			c.on('data', () => c.write(row));
		});
	});
	s.listen(0, '127.0.0.1', () => process.send(s.address().port));
	process.on('disconnect', () => process.exit());
} else {
	fork(process.argv[1], [certificate, key, 'database']).once('message', serve);
}

function connect(database, done) {
	const plain = net.connect(database, '127.0.0.1', () => plain.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])));
	plain.once('data', () => {
		const c = tls.connect({socket: plain, rejectUnauthorized: false}, () => done(c));
		c.on('error', () => {});
	});
}

function serve(database) {
	const s = https.createServer(credentials, (q, r) => {
		const ask = c => {
			let left = row.length;
			const more = data => {
				left -= data.length;
				if (left === 0) {
					c.off('data', more);
					r.writeHead(+q.url.slice(1), {'Content-Length': 0});
					r.end();
				}
			};
			c.on('data', more);
			c.write(query);
		};
		q.resume();
		q.on('end', () => {
			const c = q.socket.database;
			if (c) return ask(c);
			connect(database, c => {
				q.socket.database = c;
				q.socket.once('close', () => c.destroy());
				ask(c);
			});
		});
	});
	s.listen(0, '127.0.0.1', () => console.log('127.0.0.1:' + s.address().port));
}
