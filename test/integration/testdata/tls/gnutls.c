/* GnuTLS. Its style does not matter. */
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls.h"

#define NEED(f) ((__typeof__(f) *)need(library, #f))

static void *library;
static bool corks;
static gnutls_certificate_credentials_t credentials;

static __typeof__(gnutls_record_recv) *record_recv;
static __typeof__(gnutls_record_send) *record_send;

void tls_load(const char *path, const char *style, const char *certificate, const char *key)
{
	library = load(path);
	corks = !strcmp(style, "cork");
	record_recv = NEED(gnutls_record_recv);
	record_send = NEED(gnutls_record_send);
	if (NEED(gnutls_global_init)() ||
	    NEED(gnutls_certificate_allocate_credentials)(&credentials) ||
	    (certificate && NEED(gnutls_certificate_set_x509_key_file)(credentials, certificate,
								       key, GNUTLS_X509_FMT_PEM))) {
		fprintf(stderr, "no certificate\n");
		exit(3);
	}
}

void *tls_begin(int fd, bool server)
{
	gnutls_session_t session;
	int err;

	if (NEED(gnutls_init)(&session, server ? GNUTLS_SERVER : GNUTLS_CLIENT))
		return NULL;
	NEED(gnutls_set_default_priority)(session);
	NEED(gnutls_credentials_set)(session, GNUTLS_CRD_CERTIFICATE, credentials);
	NEED(gnutls_transport_set_int2)(session, fd, fd);
	do {
		err = NEED(gnutls_handshake)(session);
	} while (err < 0 && !NEED(gnutls_error_is_fatal)(err));
	if (err) {
		NEED(gnutls_deinit)(session);
		return NULL;
	}
	return session;
}

long tls_read(void *session, char *buf, size_t n)
{
	long got;

	do {
		got = record_recv(session, buf, n);
	} while (got == GNUTLS_E_INTERRUPTED || got == GNUTLS_E_AGAIN); /* a ticket */
	return got;
}

/*
 * A call takes a record at most. Between cork and uncork it keeps what it gets, which then is sent
 * a record at a time.
 */
bool tls_write(void *session, const char *buf, size_t n)
{
	if (corks)
		NEED(gnutls_record_cork)(session);
	while (n) {
		long put = record_send(session, buf, corks && n > 1000 ? 1000 : n);

		if (put <= 0)
			return false;
		buf += put;
		n -= put;
	}
	return !corks || NEED(gnutls_record_uncork)(session, GNUTLS_RECORD_WAIT) >= 0;
}

void tls_end(void *session)
{
	NEED(gnutls_bye)(session, GNUTLS_SHUT_WR);
	NEED(gnutls_deinit)(session);
}
