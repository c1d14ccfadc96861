// Drives a libssl that is named on the command line, both ends in one thread over a BIO pair, and
// prints how often it called each function and how many bytes that said it moved:
//     openssl LIBSSL CERTIFICATE KEY ROUNDS
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *library;

static void *need(const char *name)
{
	void *f = dlsym(library, name);

	if (!f) {
		fprintf(stderr, "%s\n", dlerror());
		exit(2);
	}
	return f;
}

#define CALL(type, name, ...) ((type)need(name))(__VA_ARGS__)

typedef void *(*make)(void *);
typedef int (*transfer)(void *, void *, int);
typedef int (*transfer_ex)(void *, void *, size_t, size_t *);

struct count {
	long calls, bytes;
};

static struct count reads, writes, reads_ex, writes_ex;

static void plain(transfer f, struct count *c, void *ssl, char *buf, int n)
{
	int got = f(ssl, buf, n);

	c->calls++;
	if (got > 0)
		c->bytes += got;
}

static void ex(transfer_ex f, struct count *c, void *ssl, char *buf, size_t n)
{
	size_t got = 0;

	c->calls++;
	if (f(ssl, buf, n, &got) == 1)
		c->bytes += got;
}

static void *end(void *context, void *bio, const char *state)
{
	void *ssl = CALL(make, "SSL_new", context);

	CALL(void (*)(void *, void *, void *), "SSL_set_bio", ssl, bio, bio);
	CALL(void (*)(void *), state, ssl);
	return ssl;
}

int main(int argc, char **argv)
{
	void *context, *server, *client, *a = NULL, *b = NULL;
	char buf[4096] = "plaintext";
	int rounds, done = 0;

	if (argc != 5 || !(library = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL))) {
		fprintf(stderr, "%s\n", argc == 5 ? dlerror() : "usage");
		return 2;
	}
	rounds = atoi(argv[4]);
	context = CALL(make, "SSL_CTX_new", CALL(void *(*)(void), "TLS_method"));
	if (CALL(int (*)(void *, const char *, int), "SSL_CTX_use_certificate_file", context,
		 argv[2], 1) != 1 ||
	    CALL(int (*)(void *, const char *, int), "SSL_CTX_use_PrivateKey_file", context,
		 argv[3], 1) != 1)
		return 3;
	CALL(int (*)(void **, size_t, void **, size_t), "BIO_new_bio_pair", &a, 65536, &b, 65536);
	server = end(context, a, "SSL_set_accept_state");
	client = end(context, b, "SSL_set_connect_state");
	for (int i = 0; i < 100 && done != 2; i++)
		done = (CALL(int (*)(void *), "SSL_do_handshake", client) == 1) +
		       (CALL(int (*)(void *), "SSL_do_handshake", server) == 1);
	if (done != 2)
		return 4;

	transfer rd = (transfer)need("SSL_read"), wr = (transfer)need("SSL_write");
	transfer_ex rdx = (transfer_ex)need("SSL_read_ex"), wrx = (transfer_ex)need("SSL_write_ex");
	for (int i = 0; i < rounds; i++) {
		plain(wr, &writes, client, buf, 1 + i % 2000);
		plain(rd, &reads, server, buf, sizeof(buf));
		ex(wrx, &writes_ex, server, buf, 1 + i % 3000);
		ex(rdx, &reads_ex, client, buf, sizeof(buf));
		if (i % 10 == 0) { /* nothing to read; lengths that are refused */
			plain(rd, &reads, server, buf, sizeof(buf));
			ex(rdx, &reads_ex, client, buf, sizeof(buf));
			plain(rd, &reads, server, buf, -1);
			plain(wr, &writes, client, buf, -1);
		}
	}
	CALL(void (*)(void *), "SSL_free", client);
	CALL(void (*)(void *), "SSL_free", server);
	printf("SSL_read %ld %ld\nSSL_write %ld %ld\n"
	       "SSL_read_ex %ld %ld\nSSL_write_ex %ld %ld\nSSL_free 2 0\n",
	       reads.calls, reads.bytes, writes.calls, writes.bytes, reads_ex.calls, reads_ex.bytes,
	       writes_ex.calls, writes_ex.bytes);
	return 0;
}
