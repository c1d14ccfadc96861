package tlslib

// api is what is known of one kind of library in C.
type api struct {
	kind  Kind
	roles []named
	// forwards lists functions that do nothing but call another of the list: probing both would
	// count twice. It is by version which of them there are.
	forwards map[string]string
	// random names the function that hands out the client random of a session, the first argument.
	random string
	// server names the one that tells whether a session is a server's.
	server string
	// wraps lists beginnings of names of libraries: a file that needs one of them passes the
	// plaintext on to it, where it is seen.
	wraps []string
}

type named struct {
	name string
	role Role
}

// apis are the known kinds. Not listed are functions that hand out plaintext through one that is, or
// again: SSL_read_early_data calls SSL_read_ex and SSL_write_early_data calls SSL_write_ex
// (ssl/ssl_lib.c of OpenSSL 1.1.1 to 4.0), SSL_peek and SSL_peek_ex leave the data to be read again;
// gnutls_record_recv_seq, _recv_packet, _recv_early_data and gnutls_record_send_range belong to
// datagrams, early data and padding, which no HTTP implementation in C is known to use.
var apis = []api{
	{
		kind: OpenSSL,
		roles: []named{
			{"SSL_read", RoleRead}, {"SSL_read_ex", RoleReadEx},
			{"SSL_write", RoleWrite}, {"SSL_write_ex", RoleWriteEx}, {"SSL_write_ex2", RoleWriteEx2},
			{"SSL_sendfile", RoleSendFile}, {"SSL_free", RoleFree},
		},
		random:   "SSL_get_client_random",
		server:   "SSL_is_server",
		forwards: map[string]string{"SSL_write_ex": "SSL_write_ex2"}, // since 3.3
		wraps:    []string{"libssl.so", "libgnutls.so"},              // such as libgnutls-openssl.so.27
	},
	{
		kind: GnuTLS,
		roles: []named{
			{"gnutls_record_recv", RoleRead},
			{"gnutls_record_send", RoleWrite}, {"gnutls_record_send2", RoleWrite},
			{"gnutls_deinit", RoleFree}, {"gnutls_record_cork", RoleCork}, {"gnutls_record_uncork", RoleUncork},
		},
		random:   "gnutls_session_get_random",
		forwards: map[string]string{"gnutls_record_send": "gnutls_record_send2"}, // since 3.6.3
		wraps:    []string{"libgnutls.so"},
	},
}

// goRoles are the methods of crypto/tls through which HTTP goes. Conn.ReadFrom and WriteTo do not
// exist, so that io.Copy uses these too.
var goRoles = []named{
	{"crypto/tls.(*Conn).Read", RoleRead},
	{"crypto/tls.(*Conn).Write", RoleWrite},
	{"crypto/tls.(*Conn).Close", RoleFree},
}

// goTCPRead is what a net.Conn that is a *net.TCPConn reads with: the compiler makes this method for the
// struct, which has it from the one that it embeds.
const goTCPRead = "net.(*TCPConn).Read"

// foreign are functions by which libraries with another API are known.
var foreign = map[string]string{
	"SSL_ImportFD":              "nss",
	"mbedtls_ssl_read":          "mbedtls",
	"wolfSSL_read":              "wolfssl",
	"s2n_recv":                  "s2n-tls",
	"rustls_connection_read":    "rustls",
	"br_ssl_engine_recvapp_ack": "bearssl",
}

// wantedNames are all names that are looked for in symbol tables.
func wantedNames() []string {
	var names []string
	for _, a := range apis {
		for _, r := range a.roles {
			names = append(names, r.name)
		}
		names = append(names, a.random)
		if a.server != "" {
			names = append(names, a.server)
		}
	}
	for name := range foreign {
		names = append(names, name)
	}
	return names
}
