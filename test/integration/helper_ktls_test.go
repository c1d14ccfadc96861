package integration

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Of linux/tcp.h and linux/tls.h.
const (
	tcpULP       = 31
	tlsTX        = 1
	tlsRX        = 2
	tls13        = 0x0304
	tlsAESGCM128 = 51
)

// ktlsKey is struct tls12_crypto_info_aes_gcm_128.
type ktlsKey struct {
	version, cipher uint16
	iv              [8]byte
	key             [16]byte
	salt            [4]byte
	sequence        [8]byte
}

// KTLS lets the kernel encrypt what is written to FD and decrypt what is read, with a key that both ends know.
func (*Sys) KTLS(c *Call, r *Reply) error {
	if err := unix.SetsockoptString(c.FD, unix.IPPROTO_TCP, tcpULP, "tls"); err != nil {
		return r.fail(err)
	}
	key := ktlsKey{version: tls13, cipher: tlsAESGCM128, key: [16]byte{1, 2, 3}}
	for _, direction := range []int{tlsTX, tlsRX} {
		b := unsafe.Slice((*byte)(unsafe.Pointer(&key)), unsafe.Sizeof(key))
		if err := unix.SetsockoptString(c.FD, unix.SOL_TLS, direction, string(b)); err != nil {
			return r.fail(err)
		}
	}
	return nil
}
