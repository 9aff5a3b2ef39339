# Every target is for people; `make help` lists them.
SHELL := /bin/sh
GO ?= go
VERSION ?= 0.1.0
COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
# What two builds of one commit must agree on, byte for byte.
BUILT := $(shell git log -1 --format=%ct 2>/dev/null)
# Go 1.25's garbage collector: an agent at rest has 0.3 MB less with it (docs/decisions/151-former-collector.md).
export GOEXPERIMENT := nogreenteagc
LDFLAGS := -s -w -buildid= -X main.version=$(VERSION) -X main.built=$(BUILT)
BUILD := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags "$(LDFLAGS)"
BIN := bin

.PHONY: help release release-check build run demo-update demo-bad-update test test-plugins test-engines test-wine powercut powercut-hub test-attacks test-upgrades test-earlier test-systemd test-limits test-otelcol test-telegraf test-collector test-delta test-delta-platforms test-delta-reader check bench bench-delta fuzz fuzz-plateau explore conformance mutate proto clean deps

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

build: ## build the five programs into bin/
	$(BUILD) -o $(BIN)/limpet ./stub
	$(BUILD) -tags nethttpomithttp2 -o $(BIN)/limpet-fetch ./stub/fetch # HTTP/2 would be 0.4 MB of its 7
	$(BUILD) -o $(BIN)/limpet-core ./core
	$(BUILD) -o $(BIN)/limpet-hub ./hub
	$(BUILD) -o $(BIN)/limpet-release ./release

# A version made of what is built: one that was published once never has other bytes, and an installer takes only limpet's own version.
run: ## a hub and one agent on this machine, below .run/; Ctrl-C stops both
	@$(MAKE) --no-print-directory build VERSION=$(VERSION)-dev.$$({ $(GO) version; echo $(BUILT); find core hub internal platforms release signing stub updater go.mod go.sum -type f | LC_ALL=C sort | xargs cat; } | cksum | cut -d' ' -f1)
	@$(GO) build -o .cache/demo ./e2e/demo && exec .cache/demo

demo-update: build ## publish a newer core to a running `make run`, and watch it replace the old one
	@$(GO) build -o .cache/demoupdate ./e2e/demoupdate && exec .cache/demoupdate update

demo-bad-update: build ## publish three broken cores, watch each go back; then a hub that is gone (about ten minutes)
	@$(GO) build -o .cache/demoupdate ./e2e/demoupdate && exec .cache/demoupdate bad-update

test: deps build ## every test, race detector on
	. ./.cache/env && $(GO) test -race -shuffle=on -timeout 40m -p 4 ./stub ./e2e ./core ./release ./... # four at once, the long ones first: they mostly wait for time to pass
	$(GO) test -run 'Explore|Fleet' ./stub # in one goroutine: the race detector has nothing to find there

explore: ## the proofs of the stub at their full length: three power cuts, every durable call struck (hours)
	$(GO) test -timeout 0 -run 'Explore|Strikes' -v ./stub -args -cuts 3 -strikes 0 -width 24

powercut: ## power cuts on loop-mounted ext4, xfs and btrfs: CUTS=6 on each, FS=ext4,xfs,btrfs SEED= (root; about 10 minutes)
	@$(GO) build -o .cache/powercut ./e2e/powercut && exec unshare -m .cache/powercut $(if $(CUTS),-cuts $(CUTS)) $(if $(FS),-fs $(FS)) $(if $(SEED),-seed $(SEED))

powercut-hub: ## power cuts of the disk below a hub's data folder, with agents under load: CUTS=6 FS=ext4,xfs,btrfs SEED= (root; two minutes a cut)
	@$(GO) build -o .cache/powercut ./e2e/powercut && exec unshare -m .cache/powercut -hub $(if $(CUTS),-cuts $(CUTS)) $(if $(FS),-fs $(FS)) $(if $(SEED),-seed $(SEED))

test-systemd: build ## a box's life in a Debian container with systemd: install, reboot, update, kill -9, uninstall (root)
	$(MAKE) --no-print-directory build VERSION=0.2.0 BIN=.cache/systemd/next
	./e2e/systemd/run.sh

test-limits: ## limits of a plugin run on a kernel that has the controllers, in an emulated machine (about 2 minutes; root installs qemu)
	./scripts/test-limits.sh

test-attacks: deps build ## every attack on updates through the built programs, a box for each class (about 3 minutes, mostly waiting)
	$(GO) test ./e2e -run TestAttacks -count 1 -parallel 12 -v -args -apart

test-upgrades: deps build ## each of the last six versions to the newest and back, over two new roots (about 3 minutes, mostly waiting)
	$(GO) test ./e2e -run TestUpgradeMatrix -count 1 -parallel 6 -v -args -olds 6

test-earlier: deps ## boxes of six earlier commits (or COMMITS="...", oldest first), built as they were, to this tree's build and back, with results that only the next core delivers (about 10 minutes)
	. ./.cache/env && ./scripts/earlier.sh $(COMMITS)

test-otelcol: deps ## a collector of OpenTelemetry's, built once from its modules, alone and beside collectd and a command, through swaps (minutes)
	. ./.cache/env && ./scripts/otelcol.sh

test-telegraf: deps ## telegraf, built once from its module: broken configurations, kills, a hog, swaps (minutes)
	. ./.cache/env && ./scripts/telegraf.sh

test-collector: deps ## a collector that is installed here, as test-telegraf does with its own: KIND=fluentd|fluent-bit|diamond PROGRAM=/where/it/is (two minutes)
	. ./.cache/env && LIMPET_TEST_KIND='$(KIND)' LIMPET_TEST_PROGRAM='$(PROGRAM)' $(GO) test -tags installed -count 1 -run Installed -v ./core

test-plugins: deps ## every plugin of Debian's packages (basic, standard, contrib) through NRPE and through the core, side by side (about 5 minutes)
	./scripts/all-plugins.sh

test-engines: ## the check "containers" against containerd, Docker and Podman themselves (a minute; root installs them)
	./scripts/test-engines.sh

test-wine: ## what is built for Windows, as far as Wine runs it: the packages that meet the system (half an hour; root installs wine; PACKAGES= for some)
	./scripts/test-wine.sh $(PACKAGES)

test-delta: ## the slow tests of the delta codec, without the race detector (about 2 minutes)
	$(GO) test ./updater/delta/... && $(GO) test ./updater/delta -run Flipped -every-byte

test-delta-platforms: ## patches made and applied on amd64, 386, arm64 and s390x, the last two under qemu (about 5 minutes; root installs qemu)
	./scripts/delta-platforms.sh

test-delta-reader: ## the golden patches by a second decoder, in Python, written from docs/delta-format.md (a minute; needs python3 and zstd)
	./e2e/deltareader/golden.sh

check: ## gofmt, vet, staticcheck
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "gofmt -w these:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

bench: deps build ## the measures of docs/performance.md (about 100 minutes; QUICK=1 takes fifteen, ONLY=swaps SWAPS=N a part)
	@. ./.cache/env && $(GO) run ./e2e/measure $(if $(QUICK),-quick) $(if $(ONLY),-only $(ONLY)) $(if $(SWAPS),-swaps $(SWAPS)); line=$$?; \
	[ -n "$(ONLY)" ] || $(MAKE) --no-print-directory bench-delta && exit $$line

bench-delta: ## the delta's measures alone; PAIR=windows-arm64 for some; PAIRS="OLD:NEW ..." for other files (needs bsdiff, xz, zstd)
	@$(GO) build -o .cache/deltabench-run ./e2e/deltabench && ./.cache/deltabench-run $(if $(QUICK),-quick) $(if $(PAIR),-only "$(PAIR)") $(PAIRS)

fuzz: ## every fuzz target for FUZZTIME (default 30s) each
	./scripts/fuzz.sh $(or $(FUZZTIME),30s)

fuzz-plateau: ## PACKAGE=core/check TARGET=FuzzParseOutput: until nothing new comes for three minutes, and keep what reaches as much (FOR=180 seconds)
	./scripts/fuzz-plateau.sh $(PACKAGE) $(TARGET) $(FOR)

conformance: ## SUITE=DIR, a checkout of the TUF conformance suite: run it against signing/tuf (e2e/tufclient/suite/run.sh says what it needs)
	./e2e/tufclient/suite/run.sh "$(SUITE)"

# The stub's tests but those that build it and wait for seconds to pass; docs/mutation.md says what these see.
MUTATE_SLOW = box explore_broken run swap goback hardship confine strike small fleet fleet_world
EMPTY :=
COMMA := ,
MUTATE_TESTS = $(filter-out $(foreach t,$(MUTATE_SLOW),$(t)_test.go $(t)_linux_test.go $(t)_linux_amd64_test.go),$(notdir $(wildcard stub/*_test.go)))
MUTATE_STUB = stub:$(subst $(EMPTY) $(EMPTY),$(COMMA),$(MUTATE_TESTS)):-cuts=-1

mutate: ## change the code that nothing may break, one line after the other, and see which tests notice (PACKAGES=signing/tuf for some, SAMPLE=150 SEED=5 for as many drawn by chance)
	$(GO) run ./e2e/mutate -hand e2e/mutate/weaknesses.txt -list docs/mutation.md \
		$(if $(SAMPLE),-sample $(SAMPLE) -seed $(or $(SEED),1)) $(or $(PACKAGES),signing/tuf updater/boot updater/store $(MUTATE_STUB))

proto: ## generate core/wire/wire.gen.go anew, and what its tests judge it by (needs protoc)
	$(GO) build -o .cache/protoc-gen-wire ./core/wire/gen
	protoc --plugin=.cache/protoc-gen-wire --wire_out=. --wire_opt=paths=source_relative --include_source_info --descriptor_set_out=core/wire/testdata/wire.binpb core/wire/wire.proto

deps: ## fetch what the tests need beyond Go, make and git
	@./scripts/deps.sh

# Where a release goes. Without them it goes, with keys that protect nobody, below dist/, to look at.
REPO ?= dist/release
KEYS ?= dist/keys
CHANNEL ?= beta

release: ## build every platform twice, sign and verify: VERSION= REPO= KEYS= CHANNEL= REQUEST= WAVES= (about 30 minutes)
	VERSION='$(VERSION)' REPO='$(REPO)' KEYS='$(KEYS)' CHANNEL='$(CHANNEL)' REQUEST='$(REQUEST)' WAVES='$(WAVES)' PLATFORMS='$(PLATFORMS)' ./scripts/release.sh

release-check: ## hold goreleaser.yaml against goreleaser itself (builds it once, about 8 minutes)
	@[ -x .cache/goreleaser ] || GOBIN=$(CURDIR)/.cache $(GO) install github.com/goreleaser/goreleaser/v2@v2.16.0
	.cache/goreleaser check

clean: ## remove what was built, not .run/
	rm -rf $(BIN) dist
