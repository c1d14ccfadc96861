// Package cluster tests Fathom in the Kubernetes cluster of the current KUBECONFIG, where it is installed already:
//
//	make test-cluster
//
// It deploys services that call each other and count what they do, and compares Fathom's numbers with their counts. All
// that it needs is the API server: pods are reached through its proxy. Environment:
//
//	KUBECONFIG                    the cluster; without one the tests are skipped
//	FATHOM_NAMESPACE              where Fathom is installed (default fathom)
//	FATHOM_TEST_IMAGE             the image of ./service (default localhost/fathom-test-service:dev), which the nodes have
//	FATHOM_TEST_PROMETHEUS_IMAGE  that of scripts/prometheus-image.sh (default localhost/fathom-test-prometheus:dev), likewise
//	FATHOM_APISERVER_SIGNAL       a command that takes a signal (STOP, CONT) and sends it to the API server; without
//	                              one the tests that stop it are skipped
package cluster
