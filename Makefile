# property-credit: two commands for a stranger are `make run` and `make test`; everything else is `make help`.
PYTHON ?= python3
export DO_NOT_TRACK = 1

.DEFAULT_GOAL := help
.PHONY: help install env run up stop test lint bench siege sbom lock clean

help: ## what each target does
	@grep -hE '^[a-z-]+:.*## ' Makefile | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

install: .venv/.installed ## the locked environment in .venv

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ...")'
	@echo "Installing the locked environment into .venv (about a minute) ..."
	@$(PYTHON) -m venv .venv || { echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 2; }
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r requirements.lock
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable .
	@touch $@

run: install ## one full night on the sample region, then a summary; run again, it does only what is new
	@.venv/bin/property-credit run

env: ## .env for docker compose, with fresh secrets that only you can read
	@$(PYTHON) property_credit/cli/environment_file.py

up: install ## Airflow UI, read API, pages and tendering sandbox on this machine; Ctrl-C stops all
	@.venv/bin/property-credit up

stop: ## stop the embedded database
	@[ ! -x .venv/bin/property-credit ] || .venv/bin/property-credit warehouse stop

test: install ## every test; style, types and imports are checked beside them
	@$(MAKE) --no-print-directory lint > .venv/lint.log 2>&1 & lint=$$!; \
	  .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder; tests=$$?; \
	  wait $$lint; checks=$$?; cat .venv/lint.log; [ $$tests -eq 0 ] && [ $$checks -eq 0 ]

lint: install ## style, types and the direction of imports
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy property_credit scoring simulation benchmarks
	@.venv/bin/lint-imports

bench: install ## ratios against a floor or a peer in the same run; writes benchmarks/results.json and a table
	@.venv/bin/python -m benchmarks

siege: install ## odd deliveries and kills from a new seed for an hour (SEED=n SECONDS=n), judged by independent counts
	@cd tests && ../.venv/bin/python siege_campaign.py --seconds $(or $(SECONDS),3600) $(if $(SEED),--seed $(SEED))

sbom: install ## sbom.cdx.json: what is installed, with versions and hashes (CycloneDX); the same lock gives the same bytes
	@.venv/bin/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible -o sbom.cdx.json

lock: ## pin both requirements files again (needs uv: pip install uv)
	uv pip compile requirements.in requirements-development.in --universal --python-version 3.11 --no-build --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --quiet --output-file requirements.lock

clean: stop ## take away everything a run made (.data) and the environment (.venv)
	rm -rf .data .venv
