# Data Transfer Hub. `make` alone lists the targets.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

ROOT    := $(CURDIR)
BIN     := $(ROOT)/bin
TOOLS   := $(ROOT)/.cache/tools
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# The same commit gives the same binaries: no paths, no time, no state of the work tree beside VERSION.
BUILD   := -trimpath -buildvcs=false -ldflags '-s -w -buildid= -X main.version=$(VERSION)'

# Binaries with a go.mod of their own are built inside it; the others from the root module.
OWN     := $(patsubst cmd/%/go.mod,%,$(wildcard cmd/*/go.mod))
PRODUCT := $(filter-out $(OWN),$(patsubst cmd/%/main.go,%,$(wildcard cmd/*/main.go)))

# go vet's and staticcheck's word on all modules, tests included, those too that only make chaos has the time for. ST1003 quarrels with names of the SDKs.
CHECKS  := all,-ST1003
MODULES := . $(addprefix cmd/,$(OWN)) .tools

# A test that hangs is stopped and shows its goroutines.
TESTTIME := 10m
RACE     := -race
PKG      := ./...

# The Go files of the work tree, deleted ones and ignored ones left out.
SOURCES := { git ls-files -co --exclude-standard -- '*.go' | xargs -r ls -d 2>/dev/null || true; }

step = @printf '\n== %s\n' "$(1)"

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## build, then run the hub on this machine with sample data; ARGS are passed on
	$(BIN)/dth local --sample $(ARGS)

.PHONY: build
build: need-go console ## build every binary into bin/
	$(call step,build $(VERSION))
	@mkdir -p $(BIN)
	@for name in $(OWN); do \
		echo "bin/$$name"; CGO_ENABLED=0 go -C cmd/$$name build $(BUILD) -o $(BIN)/$$name .; \
	done
	@for name in $(PRODUCT); do \
		echo "bin/$$name"; CGO_ENABLED=0 go build $(BUILD) -o $(BIN)/$$name ./cmd/$$name; \
	done

# The console's files go into dth, and into the bucket of a hub in an AWS account. What git does not know is not part of it.
WEB := $(shell git ls-files -co --exclude-standard web 2>/dev/null | grep -v '\.go$$' || true)

.PHONY: console
console: web/dist/index.html ## build the web console into web/dist

web/dist/index.html: $(wildcard $(WEB)) lambda/api/schema/schema.graphql
	@.ci/need web
	$(call step,console)
	@npm --prefix web run --silent build
	@touch $@

# Node's age is no news at every synth; jsii warns of versions that are out of support.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20
BUCKET_PREFIX ?= data-transfer-hub
ENGINES       := jobfinder jobworker

.PHONY: engines
engines: need-go ## build what runs on EC2 (arm64) into dist/engine/
	$(call step,engines $(VERSION))
	@mkdir -p dist/engine
	@for name in $(ENGINES); do \
		echo "dist/engine/$$name"; CGO_ENABLED=0 GOOS=linux GOARCH=arm64 go build $(BUILD) -o dist/engine/$$name ./cmd/$$name; \
	done

# The program of the copier's container image, for both of its architectures.
.PHONY: copier
copier: need-go ## build what the copier's container image holds into dist/image/
	$(call step,copier $(VERSION))
	@for arch in amd64 arm64; do \
		mkdir -p dist/image/linux-$$arch; echo "dist/image/linux-$$arch/imagecopier"; \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch go build $(BUILD) -o dist/image/linux-$$arch/imagecopier ./cmd/imagecopier; \
	done

# A Lambda has no version of its own, so that one that did not change keeps its hash from release to release.
LAMBDAS := $(patsubst lambda/%/main/main.go,%,$(wildcard lambda/*/main/main.go))

.PHONY: lambdas
lambdas: need-go ## build the Lambdas (arm64) into dist/lambda/NAME/bootstrap
	$(call step,lambdas)
	@for name in $(LAMBDAS); do \
		echo "dist/lambda/$$name"; CGO_ENABLED=0 GOOS=linux GOARCH=arm64 go build -trimpath -buildvcs=false -tags lambda.norpc \
			-ldflags '-s -w -buildid=' -o dist/lambda/$$name/bootstrap ./lambda/$$name/main; \
	done

.PHONY: synth
synth: need-go need-node engines lambdas ## write the templates: cdk.out for cdk deploy, dist/templates to publish for BUCKET_PREFIX
	$(call step,templates)
	@rm -rf cdk.out dist/templates dist/cdk
	@mkdir -p dist/templates
	@go build -buildvcs=false -o dist/infra ./infra
	@CDK_OUTDIR=cdk.out CDK_CONTEXT_JSON='{"version":"$(VERSION)"}' dist/infra
	@CDK_OUTDIR=dist/cdk CDK_CONTEXT_JSON='{"version":"$(VERSION)","published":"true","bucketPrefix":"$(BUCKET_PREFIX)"}' dist/infra
	@for file in dist/cdk/*.template.json; do \
		name=$$(basename $$file .template.json); cp $$file dist/templates/$$name.template; echo "dist/templates/$$name.template"; \
	done

.PHONY: test
test: ## everything that needs no cloud: lint, all tests with the race detector, end to end
	@started=$$SECONDS; \
	for part in lint build synth test-go test-sample test-web test-journeys; do $(MAKE) $$part; done; \
	printf '\nmake test: lint, build, synth, test-go, test-sample, test-web and test-journeys passed in %s s; skipped tests, if any, are listed above with their reasons\n' \
		$$((SECONDS - started))

.PHONY: test-go
test-go: need-go need-cc need-node tools $(BIN)/dth-sample ## tests of the root module; PKG=./worker/... chooses, RACE= is faster
	$(call step,tests of the root module: unit$(comma) contract suites$(comma) fuzz seeds$(comma) end to end)
	@.ci/need images || echo "tests that copy images are skipped"
	@moto=$$(.ci/need moto); lint=$$(.ci/need cfn-lint); nag=$$(.ci/need nag); \
	DTH_MOTO_SERVER="$$moto" DTH_SAMPLE_BIN="$(BIN)/dth-sample" DTH_CFN_LINT="$$lint" DTH_CDK_NAG="$$nag" \
		$(TOOLS)/gotestsum --format pkgname-and-test-fails --format-hide-empty-pkg -- \
		$(RACE) -timeout $(TESTTIME) $(PKG)

.PHONY: test-sample
test-sample: need-go tools ## tests of the modules that are on their own (the sample's servers)
	$(call step,tests of $(addprefix cmd/,$(OWN)))
	@for name in $(OWN); do \
		(cd cmd/$$name && $(TOOLS)/gotestsum --format pkgname-and-test-fails --format-hide-empty-pkg -- \
			-timeout $(TESTTIME) ./...); \
	done

.PHONY: test-web
test-web: need-web ## tests of the console's code
	$(call step,tests of the console)
	@npm --prefix web run --silent test

# Without a browser they cannot be made; .ci/need says why it brought none.
.PHONY: test-journeys
test-journeys: build need-web ## what people do with the console, in a browser, before a hub with real transfers
	$(call step,journeys: the console in a browser)
	@if browser=$$(.ci/need chromium); then \
		DTH_CHROMIUM="$$browser" npm --prefix web run --silent test-journeys; \
	else \
		echo "skipped: journeys: there is no Chromium on this machine, and none could be installed (see above)"; \
	fi

.PHONY: pictures
pictures: build need-web ## the guide's pictures, from a hub that runs, into docs/images
	$(call step,pictures)
	@browser=$$(.ci/need chromium); DTH_CHROMIUM="$$browser" npm --prefix web run --silent pictures

.PHONY: lint
lint: lint-web lint-format lint-code lint-generated lint-house ## formatting, vet, staticcheck, generated code and the rules of the house

.PHONY: generate
generate: need-go tools ## write what follows from the GraphQL schema
	@.ci/need web; npm --prefix web run --silent generate
	@cd lambda/api && $(TOOLS)/gqlgen generate && $(TOOLS)/gofumpt -w generated/exec.go model/model.go
	@go test ./lambda/api -run TestReferenceIsCurrent -update >/dev/null

# The generator needs a folder below the module to work in; the copy is thrown away.
.PHONY: lint-generated
lint-generated: need-go tools
	$(call step,generated code)
	@trap 'rm -rf lambda/api/stale' EXIT; mkdir -p lambda/api/stale; cp -r lambda/api/schema lambda/api/gqlgen.yml lambda/api/stale/; \
	(cd lambda/api/stale && $(TOOLS)/gqlgen generate && $(TOOLS)/gofumpt -w generated/exec.go model/model.go); \
	for name in generated/exec.go model/model.go; do \
		sed 's,lambda/api/stale/,lambda/api/,g; s,ᚋstaleᚋ,ᚋ,g' lambda/api/stale/$$name | cmp -s - lambda/api/$$name || \
		{ echo "lambda/api/$$name is not what the schema says; make generate writes it"; exit 1; }; \
	done

.PHONY: lint-web
lint-web: need-web
	$(call step,the console: types$(comma) formatting$(comma) rules$(comma) unused code)
	@npm --prefix web run --silent check

.PHONY: lint-format
lint-format: tools
	$(call step,gofumpt)
	@found=$$($(SOURCES) | xargs -r $(TOOLS)/gofumpt -l); \
	if [ -n "$$found" ]; then echo "not formatted (make fmt mends it):"; echo "$$found"; exit 1; fi

.PHONY: lint-code
lint-code: need-go tools
	$(call step,go vet and staticcheck)
	@for module in $(MODULES); do \
		echo "$$module"; go -C $$module vet -tags long ./...; (cd $$module && $(TOOLS)/staticcheck -tags long -checks '$(CHECKS)' ./...); \
	done

.PHONY: lint-house
lint-house: need-go
	$(call step,rules of the house: imports$(comma) names$(comma) links$(comma) top level)
	@go -C .tools test -count=1 ./...

.PHONY: fmt
fmt: tools need-web ## format the code
	@$(SOURCES) | xargs -r $(TOOLS)/gofumpt -w
	@npm --prefix web run --silent format

.PHONY: fuzz
fuzz: need-go ## run every fuzz target for FUZZTIME (default 30s)
	@for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(or $(FUZZTIME),30s) $$package; \
		done; \
	done

.PHONY: bench
bench: build ## build, then measure; ARGS are passed to dth-bench
	$(BIN)/dth-bench $(ARGS)

.PHONY: chaos
chaos: build ## everything goes wrong at once, then all is compared; ARGS are passed to dth-chaos
	$(BIN)/dth-chaos $(ARGS)
	go test -tags long -count=1 -timeout 20m -run '^TestLong' ./worker/fleet

# What a person runs is built for these; engines and Lambdas run on arm64.
CLI     := linux-amd64 linux-arm64 darwin-amd64 darwin-arm64
SHIPPED  = ./cmd/dth $(addprefix ./cmd/,$(ENGINES)) $(addprefix ./lambda/,$(addsuffix /main,$(LAMBDAS)))

# What an earlier build left would be shipped, too.
.PHONY: fresh
fresh:
	@rm -rf dist cdk.out

.PHONY: release
release: fresh synth console ## build everything that VERSION ships into dist/: templates, Lambdas, programs, console, licences, hashes
	$(call step,release $(VERSION))
	@mkdir -p dist/cli
	@cp -r web/dist dist/console
	@rm -f dist/console/.keep
	@for target in $(CLI); do \
		echo "dist/cli/dth-$$target"; \
		CGO_ENABLED=0 GOOS=$${target%-*} GOARCH=$${target#*-} go build $(BUILD) -o dist/cli/dth-$$target ./cmd/dth; \
	done
	@go -C .tools run -buildvcs=false ./licenses --in $(ROOT) $(SHIPPED) >dist/LICENSES.txt
	@cd dist && find cdk/asset.* cli console engine lambda templates LICENSES.txt -type f | LC_ALL=C sort | xargs sha256sum >SHA256SUMS
	@echo "dist/SHA256SUMS: $$(wc -l <dist/SHA256SUMS) files"

.PHONY: release-twice
release-twice: need-go ## build the release of HEAD twice in two folders, and compare every file
	@.ci/twice $(VERSION)

.PHONY: test-aws
test-aws: build ## journeys on a real AWS account; says its cost and asks first; ARGS are passed on
	@.ci/test-aws $(ARGS)

.PHONY: tools
tools: $(TOOLS)/.built ## build the linters and the test runner into .cache/tools

$(TOOLS)/.built: .tools/go.mod .tools/go.sum
	@.ci/need go
	@mkdir -p $(TOOLS)
	$(call step,tools)
	@go -C .tools build -buildvcs=false -o $(TOOLS)/ $$(go -C .tools list -f '{{.ImportPath}}' tool)
	@touch $@

$(BIN)/dth-sample: $(shell find cmd/dth-sample -name '*.go' -o -name 'go.*')
	@$(MAKE) build

.PHONY: need-go
need-go:
	@.ci/need go

.PHONY: need-node
need-node:
	@.ci/need node

.PHONY: need-web
need-web:
	@.ci/need web

.PHONY: need-cc
need-cc:
	@.ci/need cc

.PHONY: clean
clean: ## remove what was built; downloaded tools stay in .cache
	rm -rf $(BIN) dist cdk.out

comma := ,
