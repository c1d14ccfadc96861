#!/usr/bin/env bash
# The Helm chart:
#     scripts/chart.sh            writes what is generated: lists of capabilities, tables, deploy/kubernetes.yaml
#     scripts/chart.sh verify     fails if that differs from what is there; lints and tests the chart
# Builds bin/helm, which takes some minutes the first time.
set -euo pipefail
cd "$(dirname "$0")/.."

# Helm is in a module of its own: its dependencies decide no version of ours, nor of the linters.
if [[ ! bin/helm -nt tools/helm/go.sum || ! bin/helm -nt tools/helm/go.mod ]]; then
	mkdir -p bin
	go build -C tools/helm -trimpath -ldflags '-s -w' -o ../../bin/helm helm.sh/helm/v4/cmd/helm
	touch bin/helm
fi
export HELM=$PWD/bin/helm
export HELM_CACHE_HOME=$PWD/build/helm/cache HELM_CONFIG_HOME=$PWD/build/helm/config HELM_DATA_HOME=$PWD/build/helm/data

chart=deploy/helm/fathom
manifest=deploy/kubernetes.yaml

# The manifest has no certificate: a key that everybody knows is none. Who applies it makes one first.
render() {
	cat <<-'TEXT'
		# Fathom, for kubectl. Rendered from deploy/helm/fathom by scripts/chart.sh. For Kubernetes 1.31 and later.
		#
		# First make a certificate for the directory: docs/kubernetes.md, "With kubectl". Until then agents measure
		# and name the pods of their node, and the directory waits for it.
		apiVersion: v1
		kind: Namespace
		metadata:
		  name: fathom
		  labels:
		    # The agent has host paths, the host's process ids and capabilities, which the other levels forbid.
		    pod-security.kubernetes.io/enforce: privileged
	TEXT
	"$HELM" template fathom "$chart" --namespace fathom --kube-version 1.31.0 \
		--set directory.tls.source=secret --set directory.tls.secretName=fathom-directory-tls |
		sed -e '/^# Source: /d' -e '/app.kubernetes.io\/managed-by: /d' -e '/helm.sh\/chart: /d' -e '/^$/d'
}

generate() {
	go run ./deploy/chart
	render >"$manifest.new"
	mv "$manifest.new" "$manifest"
}

case ${1:-write} in
write) generate ;;
verify)
	files=("$chart/templates/_capabilities.tpl" "$chart/README.md" mixin/README.md docs/kubernetes.md "$manifest")
	before=$(sha256sum "${files[@]}")
	generate
	if ! diff <(echo "$before") <(sha256sum "${files[@]}"); then
		echo "$0: generated files differ from their sources; commit what $0 made" >&2
		exit 1
	fi
	"$HELM" lint --strict --quiet "$chart"
	go test -count=1 ./deploy/...
	;;
*)
	echo "usage: $0 [verify]" >&2
	exit 2
	;;
esac
