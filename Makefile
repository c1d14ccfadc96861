# Fathom. `make help` lists the targets. The scripts install the Debian packages that a
# target needs and nothing else; go.mod says which Go.
SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-print-directory

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

# What attaches to the kernel runs as root: with sudo, unless make does already.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

FUZZTIME ?= 30s
# Further arguments of the demonstration, the benchmark, the tests and those on other kernels and in a cluster.
DEMO  ?=
BENCH ?=
TEST  ?=
KERNELS ?=
CLUSTER ?=
# Of the nodes that `make cluster` brings up: flags of `nodes up`.
NODES ?=

.PHONY: help run build test test-kernels test-cluster cluster bench-cluster image chart verify-chart kernels doctor docs/modes.md verifier-table generate verify-generated lint format bench fuzz prometheus mixin-test page-test clean

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 20

run: build ## Start the demonstration: services, load and an agent. Ctrl-C removes everything.
	@exec $(SUDO) bin/fathom demo $(DEMO)

build: ## Build bin/fathom. Needs Go only: the BPF objects are committed.
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/fathom ./cmd/fathom

test: build ## Run all tests: unit tests, race detector, sanitizers, integration. Installs what they need.
	@scripts/deps.sh test
	@scripts/test.sh $(TEST)

test-kernels: ## Run tests on other kernels, in emulated guests, some 40 minutes on two CPUs. Fetches the kernels.
	@scripts/deps.sh guests
	@test/integration/testdata/build.sh
	@go build -o bin/guests ./test/guests
	@bin/guests $(KERNELS)

test-cluster: ## Test Fathom in the Kubernetes cluster of KUBECONFIG, where it is installed. See test/cluster.
	go test -count=1 -timeout 30m -v ./test/cluster $(CLUSTER)

cluster: ## Bring up two real nodes here, install the chart, run test-cluster in both cgroup layouts. As root.
	@scripts/cluster.sh $(NODES)

bench-cluster: build ## Measure directory and agent against the API server of KUBECONFIG, with 20,000 pods. Makes and removes them.
	go run ./bench/cluster $(CLUSTER)

image: ## Build the container image, without Docker, below build/image.
	@VERSION=$(VERSION) COMMIT=$(COMMIT) scripts/image.sh

chart: ## Write what is generated of the Helm chart, and deploy/kubernetes.yaml.
	@scripts/chart.sh

verify-chart: ## Lint and test the Helm chart; fail if what is generated of it differs from what is committed.
	@scripts/chart.sh verify

doctor: ## Ask `fathom doctor` here and in the guests, and write docs/doctor.md.
	@scripts/doctor.sh

docs/modes.md: ## Write what each attach mode sees, from the last run of test-kernels.
	go test -count=1 ./test/integration -run TestModesPage -modes ../../build/guests

verifier-table: ## Write what the verifiers follow, from the last run of bin/guests -run TestVerifierBudget, and of this host's kernel.
	@mkdir -p build/verifier
	FATHOM_OUT=$(CURDIR)/build/verifier go test -count=1 $(if $(SUDO),-exec 'sudo -E') ./internal/kernel -run TestVerifierBudget || true # against the old table
	go test -count=1 ./internal/kernel -run TestVerifierPage -update '../../build/guests/*/out/auto-internal-kernel/verifier.json' \
		-update-host ../../build/verifier/verifier.json

kernels: ## Fetch the kernels for test-kernels, and an emulator.
	@scripts/kernels.sh

generate: ## Build the BPF objects and the generated documents. Installs the pinned compiler.
	@scripts/deps.sh generate
	go generate ./...

verify-generated: ## Fail if what is generated differs from what is committed.
	@scripts/verify-generated.sh

lint: ## Run the linters of C, shell scripts and Go. Installs those of the first two.
	@scripts/deps.sh lint
	@scripts/lint.sh
	@$(MAKE) bin/golangci-lint
	bin/golangci-lint run ./...

format: ## Format C and Go as `make lint` wants them.
	@scripts/deps.sh lint
	@gofmt -w $$(git ls-files '*.go')
	@scripts/lint.sh fix

# In a module of its own, so that no version in go.mod depends on a linter.
bin/golangci-lint: tools/go.mod tools/go.sum
	@mkdir -p bin
	go build -C tools -o ../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint

# In a module of its own, as the linters are.
bin/helm: tools/helm/go.mod tools/helm/go.sum
	@mkdir -p bin
	go build -C tools/helm -trimpath -ldflags '-s -w' -o ../../bin/helm helm.sh/helm/v4/cmd/helm
	@touch $@ # go build leaves alone what would not change

bench: build ## Measure what Fathom costs, on this machine. Prints a table, writes JSON.
	@scripts/deps.sh bench
	@go build -o bin/bench ./bench
	@$(SUDO) bin/bench $(BENCH)

fuzz: ## Run every fuzz target for FUZZTIME (30s).
	@scripts/fuzz.sh $(FUZZTIME)

prometheus: build bin/prometheus ## Let a real Prometheus scrape a running agent, and ask the queries of mixin and documents.
	@scripts/deps.sh prometheus
	@scripts/prometheus.sh $(TEST)

mixin-test: ## Of `make prometheus` only what tests dashboards, rules, alerts and documents.
	@$(MAKE) prometheus TEST="-run='^TestMixin|^TestRules'"

# The Prometheus of today, beside Debian's; in a module of its own, as the linters are. Without ways to discover targets
# and without a user interface, which take minutes to build.
bin/prometheus: tools/prometheus/go.mod tools/prometheus/go.sum
	@mkdir -p bin
	CGO_ENABLED=0 go build -C tools/prometheus -trimpath -buildvcs=false -tags remove_all_sd -ldflags '-s -w' -o ../../bin/ \
		github.com/prometheus/prometheus/cmd/prometheus github.com/prometheus/prometheus/cmd/promtool
	@touch $@

page-test: build ## Open the agent's page in headless Chromium. Installs it; leaves screenshots in build/page.
	@scripts/deps.sh page
	@scripts/page.sh

clean: ## Remove what the other targets built.
	rm -rf bin build
