package directory

import (
	"context"
	"fmt"
	"slices"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
)

// APIReviewer lets the Kubernetes API server review tokens. It needs the permission to create
// tokenreviews.authentication.k8s.io.
type APIReviewer struct{ client rest.Interface }

// NewAPIReviewer returns a reviewer for a cluster.
func NewAPIReviewer(cfg *rest.Config) (*APIReviewer, error) {
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(authenticationv1.SchemeGroupVersion, &authenticationv1.TokenReview{})
	metav1.AddToGroupVersion(scheme, authenticationv1.SchemeGroupVersion)

	cfg = rest.CopyConfig(cfg)
	cfg.APIPath = "/apis"
	cfg.GroupVersion = &authenticationv1.SchemeGroupVersion
	cfg.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	cfg.ContentType = runtime.ContentTypeJSON
	cfg.AcceptContentTypes = runtime.ContentTypeJSON
	cfg.QPS = -1 // see maxReviews
	client, err := rest.RESTClientFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("make a client for token reviews: %w", err)
	}
	return &APIReviewer{client}, nil
}

// Review implements [TokenReviewer].
func (r *APIReviewer) Review(ctx context.Context, token, audience string) (string, error) {
	review := authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{audience}},
	}
	var answer authenticationv1.TokenReview
	if err := r.client.Post().Resource("tokenreviews").Body(&review).Do(ctx).Into(&answer); err != nil {
		return "", fmt.Errorf("ask the API server for a token review: %w", err)
	}
	// A server that does not know audiences returns none: the token is then for the API server.
	if s := answer.Status; s.Authenticated && slices.Contains(s.Audiences, audience) {
		return s.User.Username, nil
	}
	return "", ErrToken
}
