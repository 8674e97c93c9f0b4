# Everything one does with Oxcart. `make` alone prints this list.
# Needs Rust (rust-toolchain.toml says which; rustup gets it) and a C compiler; a target that needs more says so.

SHELL := /bin/bash
.DEFAULT_GOAL := help
CARGO ?= cargo
STAGE ?= dev
# `make run PROFILE=dev` builds faster and runs slower.
PROFILE ?= release
# cargo-lambda always names a target; with the same one here a release build is shared by both.
TARGET := $(if $(filter release,$(PROFILE)),--target $(shell rustc -vV | sed -n 's/^host: //p'))
OXCART := $(CARGO) run --quiet --locked --profile $(PROFILE) $(TARGET) -p local --bin oxcart-local --

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- a shop on this machine ----------------------------------------------------------------------------------------

run: ## a shop at http://127.0.0.1:8080, data in .oxcart (ARGS='--memory', '--catalog FILE --map FILE', '--help', …)
	@$(OXCART) run $(ARGS)

demo: ## 200 shoppers race for 10 units over HTTP
	@$(OXCART) demo $(ARGS)

crash: ## a shop is killed in the middle of 1,000 checkouts, started again and audited
	@$(OXCART) crash $(ARGS)

soak: ## 100,000 orders in a row: does the checkout get slower?
	@$(OXCART) soak $(ARGS)

simulate: ## the real shop in storms drawn from seeds: RUNS=20000, or SEED=17 to repeat one
	@$(OXCART) simulate $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS)) $(ARGS)

physics: ## one item under DynamoDB's limits, in virtual time (ARGS='--shards 8 --hold 300 --rate 700')
	@$(OXCART) physics $(ARGS)

mutants: ## takes one guard after the other out of a copy of the code: how soon do the storms notice? (needs python3; 30 minutes)
	@infra/scripts/mutants.py $(ARGS)

costs: ## what each flow costs at the database: writes docs/cost.md
	@$(OXCART) costs

import: ## products into a shop over its API: FILE=… (MAP=…, URL=…, default the one that make run serves)
	@test -n "$(FILE)" || { echo "which file? make import FILE=products.csv (Shopify's CSV or JSON lines, plain or gzip)"; exit 2; }
	@$(OXCART) import --file "$(FILE)" $(if $(MAP),--map "$(MAP)") $(if $(URL),--url "$(URL)") $(ARGS)

relevance: ## nDCG@10 of the embedded search (or of OPENSEARCH_URL) beside BM25 on the name: CATALOG=… JUDGMENTS=… [MAP=docs/examples/icecat.toml]
	@test -n "$(CATALOG)" -a -n "$(JUDGMENTS)" || { echo "make relevance CATALOG=products.jsonl.gz JUDGMENTS=judgments.csv [MAP=map.toml]"; exit 2; }
	@$(CARGO) run --quiet --locked --profile $(PROFILE) $(TARGET) -p embedded-search --example relevance -- "$(CATALOG)" "$(JUDGMENTS)" "$(or $(MAP),docs/examples/icecat.toml)"

bench-search: ## how quick the embedded search is: PRODUCTS=100000 made-up products, ten kinds of queries
	@PRODUCTS=$(PRODUCTS) $(CARGO) run --quiet --locked --profile $(PROFILE) $(TARGET) -p embedded-search --example bench

smoke: ## the black-box suite against a running shop: URL=https://…
	@test -n "$(URL)" || { echo "which shop? make smoke URL=http://127.0.0.1:8080 (admin: OXCART_ADMIN_EMAIL, OXCART_ADMIN_PASSWORD)"; exit 2; }
	@$(OXCART) smoke --url "$(URL)" $(ARGS)

watch: ## every function behind cargo-lambda's router, rebuilt as you edit, over a local data process
	@infra/scripts/watch.sh $(ARGS)

invoke: ## one function from its golden event: FN=get-product
	@test -n "$(FN)" || { echo "which function? make invoke FN=get-product (events/ has one file for each)"; exit 2; }
	@infra/scripts/invoke.sh "$(FN)" $(ARGS)

# --- the code ------------------------------------------------------------------------------------------------------

test: ## all tests
	$(CARGO) test --workspace --locked $(ARGS)

check: ## format, lints, documentation, dependencies, policies, generated files: all without a warning
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --locked check bans licenses sources && \
	  if $(CARGO) deny fetch db >/dev/null 2>&1; then $(CARGO) deny --locked check advisories; \
	  else echo "skipped: the database of advisories cannot be fetched"; fi; \
	  else echo "skipped: cargo-deny is not installed (cargo install --locked cargo-deny)"; fi
	@if $(CARGO) machete --version >/dev/null 2>&1; then $(CARGO) machete; \
	  else echo "skipped: cargo-machete is not installed (cargo install --locked cargo-machete)"; fi
	@if command -v python3 >/dev/null; then python3 infra/scripts/check-policies.py; \
	  else echo "skipped: python3 is not installed, so policies were not looked through for wildcards"; fi
	@$(CARGO) run --quiet --locked -p local --bin oxcart-local -- generate --check

generate: ## writes what is generated from the registry (functions.json, cdn.json, openapi.json, CargoLambda.toml, README, docs/caching.md, [[bin]])
	@$(CARGO) run --quiet -p local --bin oxcart-local -- generate

test-dynamodb: ## the table and counter tests against Amazon's DynamoDB Local (needs npm and Java 17)
	@infra/scripts/test-dynamodb.sh $(ARGS)

test-stripe: ## Stripe's adapter against localstripe: pay, decline, 3-D Secure, refund, webhook (needs python3)
	@infra/scripts/test-stripe.sh $(ARGS)

test-opensearch: ## the contract of search engines against a real OpenSearch (needs Java 17 and mvn, or Docker)
	@infra/scripts/test-opensearch.sh $(ARGS)

test-redis: ## shared answers of the search over a real Redis or Valkey (needs redis-server; root on Debian gets it)
	@infra/scripts/test-redis.sh $(ARGS)

# --- AWS and its emulators -----------------------------------------------------------------------------------------

test-terraform: ## the Terraform is valid, and its modules pass their tests; without AWS (needs terraform and its provider)
	@infra/scripts/test-terraform.sh

tools: ## cargo-lambda, MiniStack and a Terraform provider into target/tools (needs python3 and terraform)
	@infra/scripts/tools.sh >/dev/null && echo "tools stand in target/tools"

build: ## the zips of all functions into target/lambda (needs python3)
	@infra/scripts/build.sh $(ARGS)

coldstart: ## what a cold start of the built zips costs: wall, CPU, memory (after make build; FUNCTIONS='get-product …')
	@$(CARGO) build --quiet --locked --profile $(PROFILE) $(TARGET) -p local --bin oxcart-local
	@python3 infra/scripts/coldstart.py "$$(infra/scripts/program.sh)" $(FUNCTIONS)

deploy: ## builds and applies the Terraform: STAGE=dev (needs terraform and AWS credentials)
	@infra/scripts/deploy.sh $(STAGE) $(ARGS)

destroy: ## removes what deploy made: STAGE=dev
	@infra/scripts/destroy.sh $(STAGE) $(ARGS)

e2e: ## deploys to an emulator of AWS, runs the black-box suite there, destroys (needs python3 and terraform; no account)
	@$(CARGO) build --quiet --locked --profile $(PROFILE) $(TARGET) -p local --bin oxcart-local
	@OXCART_PROFILE=$(PROFILE) infra/scripts/e2e.sh infra/scripts/blackbox.sh

localstack: ## the same on LocalStack (needs Docker and a licence in LOCALSTACK_AUTH_TOKEN)
	@$(CARGO) build --quiet --locked --profile $(PROFILE) $(TARGET) -p local --bin oxcart-local
	@OXCART_PROFILE=$(PROFILE) infra/scripts/localstack.sh infra/scripts/blackbox.sh

ci: ## what a build machine runs: check, all tests, demo, e2e
	@.ci/run

.PHONY: help run import demo simulate physics mutants costs crash soak smoke watch invoke test check generate test-dynamodb test-stripe test-opensearch test-redis test-terraform tools build coldstart deploy destroy e2e localstack ci relevance bench-search
