/* OpenSSL. Its style is plain: SSL_read and SSL_write, or ex: SSL_read_ex and SSL_write_ex. */
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls.h"

#ifdef STATIC /* linked into the program, not loaded from PATH */
#define load(path) NULL
#define NEED(f) f
#else
#define NEED(f) ((__typeof__(f) *)need(library, #f))
#endif

static void *library;
static bool ex;
static SSL_CTX *context;

static __typeof__(SSL_read) *ssl_read;
static __typeof__(SSL_write) *ssl_write;
static __typeof__(SSL_read_ex) *ssl_read_ex;
static __typeof__(SSL_write_ex) *ssl_write_ex;

void tls_load(const char *path, const char *style, const char *certificate, const char *key)
{
	library = load(path);
	ex = !strcmp(style, "ex");
	ssl_read = NEED(SSL_read);
	ssl_write = NEED(SSL_write);
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

void *tls_begin(int fd, bool server)
{
	SSL *session = NEED(SSL_new)(context);

	if (!session || NEED(SSL_set_fd)(session, fd) != 1)
		return NULL;
	if ((server ? NEED(SSL_accept)(session) : NEED(SSL_connect)(session)) != 1) {
		NEED(SSL_free)(session);
		return NULL;
	}
	return session;
}

long tls_read(void *session, char *buf, size_t n)
{
	size_t got = 0;

	if (ex)
		return ssl_read_ex(session, buf, n, &got) == 1 ? (long)got : -1;
	return ssl_read(session, buf, n);
}

bool tls_write(void *session, const char *buf, size_t n)
{
	size_t put = 0;

	if (ex)
		return ssl_write_ex(session, buf, n, &put) == 1 && put == n;
	return ssl_write(session, buf, n) == (int)n;
}

void tls_end(void *session)
{
	NEED(SSL_shutdown)(session);
	NEED(SSL_free)(session);
}
