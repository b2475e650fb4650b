# GoTicket: every chore by name. `make` alone lists them.

# The dev profile: built cold in about half the time of a release build, and what would crawl without
# optimisation (bcrypt, SQLite, TLS) is optimised in it anyway. For speed: `make run PROFILE=release`.
PROFILE ?= dev

.DEFAULT_GOAL := help
.PHONY: help run build test lint fmt fuzz fuzz-api scan deny sbom openapi door-measure services-up services-down drill ci clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Tests ask some dependencies for more (a clock that tests move), so that `make test` compiles those again.
run: ## start GoTicket on this machine (SQLite, no configuration)
	cargo run --profile $(PROFILE) --bin goticket -- serve

build: ## build the release binaries, some ten minutes: target/release/goticket and target/release/drill
	cargo build --release --bin goticket --bin drill

test: ## run all tests; starts (and, where missing, installs) PostgreSQL for them and stops it again
	@scripts/with-services.sh sh -c 'cargo test --workspace && cargo run --quiet --bin drill -- steps --start postgres'

lint: ## check format and lints, as CI does
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

fmt: ## format the code
	cargo fmt --all

# Each property that has no number of its own; the normal run of the tests tries 256 cases.
CASES ?= 1000000
# Through the whole application each well-formed credential is looked up in the database.
WHOLE_CASES ?= 20000

fuzz: ## try what reads credentials and headers with a million hostile cases each (about an hour; CASES=…)
	PROPTEST_CASES=$(CASES) cargo test --profile $(PROFILE) --workspace --lib -- properties::
	PROPTEST_CASES=$(CASES) cargo test --profile $(PROFILE) --workspace --test properties
	PROPTEST_CASES=$(CASES) cargo test --profile $(PROFILE) --workspace --test rest -- credentials::a_csrf_token
	PROPTEST_CASES=$(WHOLE_CASES) cargo test --profile $(PROFILE) --workspace --test rest -- credentials::no_forged

fuzz-api: ## let schemathesis look for answers that the contract does not know
	@scripts/fuzz_api.sh

scan: ## let a web scanner (wapiti) loose on a started instance, as a signed-in admin
	@scripts/scan.sh

deny: ## check licences, bans and sources of the dependencies
	@deny=$$(scripts/tools.sh cargo-deny) && "$$deny" --workspace check bans licenses sources

sbom: ## write target/sbom/goticket.cdx.json: what the binary is made of (CycloneDX), checked to be whole
	@scripts/sbom.sh

openapi: ## write docs/openapi.json from the code
	@scripts/openapi.sh

door-measure: ## measure in Chromium how many codes of tickets a second a browser verifies
	node web/door/chromium.mjs measure

services-up: ## start PostgreSQL for tests and drill, and leave it running
	@scripts/services.sh up

services-down: ## stop PostgreSQL and throw its data away
	@scripts/services.sh down

drill: ## load a release build and check that it never oversells (under two minutes)
	cargo build --release --bin goticket --bin drill
	@scripts/with-services.sh target/release/drill short

ci: ## everything that must pass before a merge
	@.ci/run

clean: services-down ## stop the services and delete all that was built
	cargo clean
