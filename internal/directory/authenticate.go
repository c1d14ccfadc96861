package directory

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// authenticate lets agents in, and nobody else.
func (s *Server) authenticate(ctx context.Context) error {
	if s.certificates == nil {
		return nil
	}
	if p, ok := peer.FromContext(ctx); ok {
		if info, ok := p.AuthInfo.(credentials.TLSInfo); ok && len(info.State.VerifiedChains) > 0 {
			return nil
		}
	}
	token, ok := bearer(ctx)
	switch {
	case !ok:
		return s.reject(noCredentials, status.Error(codes.Unauthenticated, "neither a certificate nor a token"))
	case s.tokens == nil:
		return s.reject(noCredentials, status.Error(codes.Unauthenticated, "a token, but this directory asks for a certificate"))
	}
	switch err := s.tokens.check(ctx, token); {
	case errors.Is(err, ErrToken):
		return s.reject(badToken, status.Error(codes.Unauthenticated, ErrToken.Error()))
	case err != nil:
		s.log.Warn("cannot check an agent's token", "error", err)
		return s.reject(uncheckedToken, status.Error(codes.Unavailable, "the directory cannot check the token now"))
	}
	return nil
}

// bearer returns the token of a call (RFC 6750, section 2.1).
func bearer(ctx context.Context) (string, bool) {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != ""
}

// handshakes counts those that fail.
type handshakes struct {
	credentials.TransportCredentials
	server *Server
}

// ServerHandshake implements [credentials.TransportCredentials].
func (h handshakes) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	secure, info, err := h.TransportCredentials.ServerHandshake(conn)
	// A probe of the kubelet, or a load balancer's, connects and says nothing.
	if err != nil && !errors.Is(err, io.EOF) {
		_ = h.server.reject(badHandshake, err)
	}
	return secure, info, err
}

// Clone implements [credentials.TransportCredentials].
func (h handshakes) Clone() credentials.TransportCredentials {
	return handshakes{h.TransportCredentials.Clone(), h.server}
}

// reject counts a refusal and returns its error.
func (s *Server) reject(why rejection, err error) error {
	s.rejects[why].Add(1)
	s.log.Debug("refused an agent", "reason", why.String(), "error", err)
	return err
}
