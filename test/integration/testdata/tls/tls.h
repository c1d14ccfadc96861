/* What peer.c needs of a TLS library, which is loaded from a file: openssl.c, gnutls.c. */
#ifndef TLS_H
#define TLS_H

#include <stdbool.h>
#include <stddef.h>

/* Loads the library from PATH. STYLE says which functions to call. A client has no CERTIFICATE. */
void tls_load(const char *path, const char *style, const char *certificate, const char *key);

/* Shakes hands; NULL if that fails. */
void *tls_begin(int fd, bool server);

/* Reads up to N bytes. 0 or less is the end of the connection. */
long tls_read(void *session, char *buf, size_t n);

/* Writes N bytes, in one call if the library can. */
bool tls_write(void *session, const char *buf, size_t n);

void tls_end(void *session);

/* Loads a function, or ends the process. */
void *need(void *library, const char *name);

/* Loads a library, or ends the process. */
void *load(const char *path);

#endif
