// openssl.c with OpenSSL linked into the program: names are looked up in a table instead.
#include <openssl/ssl.h>
#include <string.h>

static void *lookup(const char *name)
{
	static const struct {
		const char *name;
		void *f;
	} table[] = {
#define F(name) {#name, (void *)name}
		F(SSL_new),
		F(SSL_set_bio),
		F(SSL_CTX_new),
		F(TLS_method),
		F(SSL_CTX_use_certificate_file),
		F(SSL_CTX_use_PrivateKey_file),
		F(BIO_new_bio_pair),
		F(SSL_set_accept_state),
		F(SSL_set_connect_state),
		F(SSL_do_handshake),
		F(SSL_read),
		F(SSL_write),
		F(SSL_read_ex),
		F(SSL_write_ex),
		F(SSL_free),
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (!strcmp(table[i].name, name))
			return table[i].f;
	return NULL;
}

#define dlsym(library, name) lookup(name)
#include "openssl.c"
