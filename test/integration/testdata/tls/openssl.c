/*
 * OpenSSL. Its style is plain: SSL_read and SSL_write, ex: SSL_read_ex and SSL_write_ex, or memory:
 * SSL_read and SSL_write, and the program sends and receives.
 */
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tls.h"

#ifdef STATIC /* linked into the program, not loaded from PATH */
#define load(path) NULL
#define NEED(f) f
#else
#define NEED(f) ((__typeof__(f) *)need(library, #f))
#endif

static void *library;
static bool ex, memory;
static SSL_CTX *context;

static __typeof__(SSL_read) *ssl_read;
static __typeof__(SSL_write) *ssl_write;
static __typeof__(SSL_read_ex) *ssl_read_ex;
static __typeof__(SSL_write_ex) *ssl_write_ex;
static __typeof__(SSL_get_error) *ssl_get_error;
static __typeof__(BIO_read) *bio_read;
static __typeof__(BIO_write) *bio_write;

void tls_load(const char *path, const char *style, const char *certificate, const char *key)
{
	library = load(path);
	ex = !strcmp(style, "ex");
	memory = !strcmp(style, "memory");
	ssl_read = NEED(SSL_read);
	ssl_write = NEED(SSL_write);
	ssl_get_error = NEED(SSL_get_error);
	bio_read = NEED(BIO_read);
	bio_write = NEED(BIO_write);
	if (ex) { /* which BoringSSL has not */
		ssl_read_ex = NEED(SSL_read_ex);
		ssl_write_ex = NEED(SSL_write_ex);
	}
	context = NEED(SSL_CTX_new)(NEED(TLS_method)());
	if (!context ||
	    (certificate &&
	     (NEED(SSL_CTX_use_certificate_file)(context, certificate, SSL_FILETYPE_PEM) != 1 ||
	      NEED(SSL_CTX_use_PrivateKey_file)(context, key, SSL_FILETYPE_PEM) != 1))) {
		fprintf(stderr, "no certificate\n");
		exit(3);
	}
}

struct session {
	SSL *ssl;
	int fd;
	BIO *in, *out; /* memory only */
};

/* Sends what the library has put into memory. */
static bool flush(struct session *s)
{
	char buf[17000];
	int n, sent;

	while ((n = bio_read(s->out, buf, sizeof(buf))) > 0)
		for (int i = 0; i < n; i += sent) {
			sent = send(s->fd, buf + i, n - i, MSG_NOSIGNAL);
			if (sent <= 0)
				return false;
		}
	return true;
}

/* Whether a call that returned RESULT may be made again: what it waited for has been received. */
static bool again(struct session *s, int result)
{
	char buf[17000];
	ssize_t n;

	if (!s->in || ssl_get_error(s->ssl, result) != SSL_ERROR_WANT_READ || !flush(s))
		return false;
	n = recv(s->fd, buf, sizeof(buf), 0);
	return n > 0 && bio_write(s->in, buf, n) == n;
}

void *tls_begin(int fd, bool server)
{
	struct session *s = calloc(1, sizeof(*s));
	int result;

	s->ssl = NEED(SSL_new)(context);
	s->fd = fd;
	if (memory) {
		s->in = NEED(BIO_new)(NEED(BIO_s_mem)());
		s->out = NEED(BIO_new)(NEED(BIO_s_mem)());
		NEED(SSL_set_bio)(s->ssl, s->in, s->out);
	} else if (NEED(SSL_set_fd)(s->ssl, fd) != 1) {
		return NULL;
	}
	do
		result = server ? NEED(SSL_accept)(s->ssl) : NEED(SSL_connect)(s->ssl);
	while (result != 1 && again(s, result));
	if (result != 1 || (memory && !flush(s))) {
		NEED(SSL_free)(s->ssl);
		free(s);
		return NULL;
	}
	return s;
}

long tls_read(void *session, char *buf, size_t n)
{
	struct session *s = session;
	size_t got = 0;
	int result;

	if (ex)
		return ssl_read_ex(s->ssl, buf, n, &got) == 1 ? (long)got : -1;
	do
		result = ssl_read(s->ssl, buf, n);
	while (result <= 0 && again(s, result));
	return result;
}

bool tls_write(void *session, const char *buf, size_t n)
{
	struct session *s = session;
	size_t put = 0;

	if (ex)
		return ssl_write_ex(s->ssl, buf, n, &put) == 1 && put == n;
	return ssl_write(s->ssl, buf, n) == (int)n && (!memory || flush(s));
}

void tls_end(void *session)
{
	struct session *s = session;

	NEED(SSL_shutdown)(s->ssl);
	if (memory)
		flush(s);
	NEED(SSL_free)(s->ssl);
	free(s);
}
