// Drives a libgnutls that is named on the command line, both ends in one thread over a socket pair,
// and prints how often it called each function and how many bytes that said it moved:
//     gnutls LIBGNUTLS CERTIFICATE KEY ROUNDS
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

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

typedef ssize_t (*transfer)(void *, void *, size_t);

struct count {
	long calls, bytes;
};

static void move(transfer f, struct count *c, void *session, char *buf, size_t n)
{
	ssize_t got = f(session, buf, n);

	c->calls++;
	if (got > 0)
		c->bytes += got;
}

static void *end(unsigned flags, void *credentials, int fd)
{
	void *session = NULL;

	if (CALL(int (*)(void **, unsigned), "gnutls_init", &session,
		 flags | 8 /* GNUTLS_NONBLOCK */))
		exit(3);
	CALL(int (*)(void *), "gnutls_set_default_priority", session);
	CALL(int (*)(void *, int, void *), "gnutls_credentials_set", session,
	     1 /* GNUTLS_CRD_CERTIFICATE */, credentials);
	CALL(void (*)(void *, int, int), "gnutls_transport_set_int2", session, fd, fd);
	return session;
}

int main(int argc, char **argv)
{
	void *credentials = NULL, *server, *client;
	struct count reads = {0}, writes = {0};
	char buf[4096] = "plaintext";
	int fd[2], rounds, done = 0;

	if (argc != 5 || !(library = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL))) {
		fprintf(stderr, "%s\n", argc == 5 ? dlerror() : "usage");
		return 2;
	}
	rounds = atoi(argv[4]);
	CALL(int (*)(void), "gnutls_global_init");
	CALL(int (*)(void **), "gnutls_certificate_allocate_credentials", &credentials);
	if (CALL(int (*)(void *, const char *, const char *, int),
		 "gnutls_certificate_set_x509_key_file", credentials, argv[2], argv[3],
		 1 /* GNUTLS_X509_FMT_PEM */) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd))
		return 3;
	server = end(1, credentials, fd[0]);
	client = end(2, credentials, fd[1]);
	int client_done = 0, server_done = 0;
	for (int i = 0; i < 100 && !(client_done && server_done); i++) {
		if (!client_done)
			client_done = CALL(int (*)(void *), "gnutls_handshake", client) == 0;
		if (!server_done)
			server_done = CALL(int (*)(void *), "gnutls_handshake", server) == 0;
	}
	done = client_done && server_done;
	if (!done)
		return 4;

	transfer rd = (transfer)need("gnutls_record_recv"),
		 wr = (transfer)need("gnutls_record_send");
	for (int i = 0; i < rounds; i++) {
		move(wr, &writes, client, buf, 1 + i % 2000);
		move(rd, &reads, server, buf, sizeof(buf));
		if (i % 10 == 0)
			move(rd, &reads, server, buf, sizeof(buf)); /* nothing to read */
	}
	CALL(void (*)(void *), "gnutls_deinit", client);
	CALL(void (*)(void *), "gnutls_deinit", server);
	printf("gnutls_record_recv %ld %ld\ngnutls_record_send %ld %ld\ngnutls_deinit 2 0\n",
	       reads.calls, reads.bytes, writes.calls, writes.bytes);
	return 0;
}
