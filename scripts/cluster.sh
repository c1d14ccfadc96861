#!/usr/bin/env bash
# Tests Fathom on real nodes: brings up two here (test/nodes), installs the chart as a user would, runs make test-cluster, and
# takes them down. Twice: with the cgroup mounts of this machine and paths as of the driver cgroupfs, and with cgroup v2
# alone, paths as of systemd, and agents that read TLS: there without the tests to which this makes no difference.
#     scripts/cluster.sh [FLAGS of nodes up]      such as -index 3, where another cluster runs
#     scripts/cluster.sh down                     takes down what a run left that was killed
# Environment: LAYOUTS="cgroupfs systemd"; CLUSTER, arguments for go test; FATHOM_REQUIRE_TOOLS=1, by which a skipped test is a failure.
# Needs root. Logs are in build/cluster. The first run builds Kubernetes, in some 15 minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

name="test" # of the cluster
out=build/cluster
read -ra layouts <<<"${LAYOUTS:-cgroupfs systemd}"
declare -A cgroup=([cgroupfs]=host [systemd]=v2) https=([cgroupfs]=false [systemd]=true)

die() {
	echo "$0: $*" >&2
	exit 1
}

((EUID == 0)) || die "run it as root: nodes take namespaces, mounts and cgroups"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fathom-nodes
mkdir -p "$cache"
exec {lock}>"$cache/cluster.lock"
if [[ ${1:-} == down ]]; then
	# What another run has up is left alone.
	if flock -n "$lock" && [[ -x bin/nodes ]]; then bin/nodes down -name "$name" {lock}>&-; fi
	exit
fi
for layout in "${layouts[@]}"; do
	[[ -n ${cgroup[$layout]:-} ]] || die "there is no layout $layout; there are ${!cgroup[*]}"
done

group= # process group of what runs

# run COMMAND... can be ended at any time, with all that it started.
run() {
	local status=0
	setsid "$@" {lock}>&- &
	group=$!
	wait "$group" || status=$?
	group=
	return "$status"
}

finish() {
	trap '' INT TERM HUP # what ends here must not be left half done
	if [[ -n $group ]]; then
		kill -TERM -- "-$group" 2>/dev/null
		wait "$group"
	fi
	bin/nodes down -name "$name" {lock}>&-
}

start=$SECONDS
say() { printf -- '-- %s (%d s)\n' "$*" $((SECONDS - start)); }

# keep_logs LAYOUT keeps what nodes and pods wrote, which the next down removes.
keep_logs() {
	cp "$FATHOM_NODES_LOGS"/*.log "$out/$1/" 2>/dev/null || true
	local file pod
	# shellcheck disable=SC2231 # it is a pattern
	for file in $FATHOM_NODES_PODS/*/*/*.log; do
		[[ -e $file ]] || continue
		pod=${file%/*/*}
		cp "$file" "$out/$1/pod-${pod##*/}-$(basename "$(dirname "$file")")-$(basename "$file")"
	done
}

# explain LAYOUT prints what may tell why something failed.
explain() {
	local file
	kubectl --request-timeout 10s get pods --all-namespaces -o wide || true
	kubectl --request-timeout 10s get events --all-namespaces --field-selector type!=Normal,reason!=MissingClusterDNS --sort-by=.lastTimestamp 2>/dev/null | tail -n 20 || true
	for file in "$out/$1"/pod-fathom_*.log; do
		[[ -e $file ]] || continue
		printf '\n%s:\n' "$file"
		tail -n 30 "$file"
	done
	printf '\nAll logs are in %s.\n' "$out/$1"
}

# chart_flags LAYOUT prints flags of the chart. There is no registry and no DNS; and root in a nested machine may lack
# CAP_SYS_RESOURCE (bit 24 in linux/capability.h), which nothing can be given then.
chart_flags() {
	echo --set "agent.tls.enabled=${https[$1]}" --set image.tag=dev,image.pullPolicy=Never --set "directory.service.clusterIP=$FATHOM_NODES_DIRECTORY"
	local held
	held=$(awk '/^CapBnd:/ {print $2}' /proc/self/status)
	((0x$held >> 24 & 1)) || echo --set agent.capabilities.profile=minimal
}

# once are the tests that have nothing to do with layouts: they ask the API server, Prometheus and the agents for what all of them
# know, and one stops the API server for a minute. They run in the first layout. What reads cgroups, mounts and capabilities runs in each.
once="TestAPIServerStopped|TestPrometheus|TestTop|TestRollingUpdate"

# tests LAYOUT runs them, and fails if one was skipped that has to run, or none ran.
tests() {
	local log=$out/$1/tests.log arguments=${CLUSTER:-} without=
	[[ $1 == "${layouts[0]}" ]] || without+="|$once"
	${https[$1]} || without+="|TestTLS"
	[[ -z $without ]] || arguments+=" -skip '^(${without#|})'"
	# shellcheck disable=SC2016 # the inner shell expands it
	run bash -c 'set -o pipefail; make test-cluster CLUSTER="$1" 2>&1 | tee "$0"' "$log" "$arguments" || return
	if ! grep -q '^--- PASS' "$log"; then
		echo "$0: no test ran" >&2
		return 1
	fi
	if [[ ${FATHOM_REQUIRE_TOOLS:-} == 1 ]] && grep -A3 -E '^ *--- SKIP' "$log"; then
		echo "$0: tests were skipped; with FATHOM_REQUIRE_TOOLS=1 all have to run" >&2
		return 1
	fi
}

# try LAYOUT [FLAG...] does all that needs the nodes.
try() {
	local layout=$1 flags images=(-image "build/image/fathom-$arch.docker.tar")
	shift
	[[ $layout != "${layouts[0]}" ]] || images+=(-image "$out/prometheus.tar")
	run bin/nodes up -name "$name" -layout "$layout" -cgroup "${cgroup[$layout]}" "${images[@]}" \
		-program localhost/fathom-test-service:dev="$out/service" "$@" || return
	eval "$(bin/nodes env -name "$name")"
	read -ra flags < <(chart_flags "$layout" | xargs)
	run bin/helm install fathom deploy/helm/fathom --namespace fathom --create-namespace --wait --timeout 3m "${flags[@]}" || return
	say "$layout: Fathom is installed"
	tests "$layout"
}

mkdir -p "$out"
flock -n "$lock" || { echo "another run is under way on this machine: waiting for it"; flock "$lock"; }

arch=$(go env GOARCH)
export HELM_CACHE_HOME=$PWD/build/helm/cache HELM_CONFIG_HOME=$PWD/build/helm/config HELM_DATA_HOME=$PWD/build/helm/data
go test ./test/nodes/...
go build -o bin/nodes ./test/nodes
make bin/helm
VERSION=dev ARCHES=$arch scripts/image.sh
CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$out/service" ./test/cluster/service
scripts/prometheus-image.sh "$out/prometheus.tar"
scripts/nodes.sh
bin/nodes down -name "$name" # what a run left that was killed
say "programs and images are built"

trap 'status=$?; set +e; finish; exit $status' EXIT
trap 'exit 130' INT TERM HUP
for layout in "${layouts[@]}"; do
	rm -rf "${out:?}/$layout"
	mkdir -p "$out/$layout"
	status=0
	try "$layout" "$@" || status=$?
	if environment=$(bin/nodes env -name "$name" 2>/dev/null); then
		eval "$environment"
		keep_logs "$layout"
		((status == 0)) || explain "$layout"
	fi
	((status == 0)) || die "failed with layout $layout"
	bin/nodes down -name "$name" {lock}>&-
	say "$layout: all passed, and the nodes are down"
done
