# Everything that a developer or CI runs. `make` alone lists it.
# PYTHON names the interpreter of .venv; ARGS goes on to the tool behind a target; JOBS says in how
# many processes `make test` runs (0: in one, as a debugger wants it).

.DEFAULT_GOAL := help
.PHONY: help setup compiled peers semgrep lock demo fmt lint types test coverage e2e bench soak timing test-system test-image reviews image wheel sbom chart docs \
	docs-check check clean
SHELL := /bin/sh
BIN := .venv/bin
CODE := $(wildcard sidecar tests bench ci) $(wildcard docs/*.py examples/*.py)
JOBS ?= 2
# Where `make reviews` builds an API server, once.
APISERVER ?= $(HOME)/.cache/sidecar/apiserver
# Some machines forbid Python to keep what it compiled; each of the hundreds of processes that tests
# start would then compile the whole sidecar anew, for as long as it takes to start it otherwise.
export PYTHONDONTWRITEBYTECODE :=
SPREAD := -n $(JOBS) --dist worksteal
# What fails beside others and passes alone is named, and fails nothing.
TWICE := $(BIN)/python -m ci.twice
TIERS_APART := --ignore=tests/system --ignore=tests/soak --ignore=tests/timing --ignore=tests/image \
	--ignore=tests/apiserver

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## build .venv from the hashed lock; .venv/bin/sidecar is the command
	@PYTHON="$(PYTHON)" ci/setup.sh dev

peers: setup ## build .venv-peers: the real programs that bench, soak and test-system run
	@PYTHON="$(PYTHON)" ci/setup.sh peers

compiled: setup ## build .venv-compiled: the wheel as it is shipped, its hot path compiled
	@PYTHON="$(PYTHON)" ci/setup.sh compiled

semgrep: setup ## what this repository must not contain, by Semgrep (.semgrep.yaml), in .venv-semgrep
	@PYTHON="$(PYTHON)" ci/setup.sh semgrep
	$(BIN)/python -m ci.semgrep

lock: setup ## write the locks anew (UPGRADE=1: to the newest versions)
	UPGRADE="$(UPGRADE)" ci/lock.sh

demo: setup ## a tour of the sidecar before a small upstream (ARGS=--once: end after it)
	@$(BIN)/sidecar demo $(ARGS)

fmt: setup ## format the code and mend what ruff can
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .

lint: setup ## ruff, spelling, YAML, shell, Dockerfile, workflows, secrets
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/yamllint --strict .
	$(BIN)/shellcheck .ci/run ci/*.sh examples/compose/*.sh
	$(BIN)/hadolint Dockerfile
	$(BIN)/actionlint -shellcheck $(BIN)/shellcheck -pyflakes=
	$(BIN)/zizmor --quiet --no-progress --offline .github
	$(BIN)/gitleaks dir --no-banner --no-color --log-level=warn --redact --verbose .

types: setup ## mypy --strict on code and tests
	$(BIN)/mypy $(CODE)

test: setup ## all tests that need PyPI alone, under ten minutes (ARGS="-k name" for some)
	$(TWICE) $(BIN)/pytest $(SPREAD) $(TIERS_APART) $(ARGS)

coverage: setup ## the same tests, and the branch coverage that each room owes
	$(BIN)/coverage erase
	$(TWICE) $(BIN)/coverage run -m pytest $(SPREAD) $(TIERS_APART) $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage json --quiet
	$(BIN)/python -m ci.coverage_gate coverage.json

e2e: setup ## the tests with a real process and a real upstream
	$(BIN)/pytest tests/e2e $(ARGS)

bench: peers ## throughput and latency beside other proxies, into docs/performance.md
	$(BIN)/python -m bench $(ARGS)

soak: peers ## the long tests: real applications, large bodies, thousands of failures
	$(BIN)/pytest --timeout=1800 tests/soak $(ARGS)

timing: setup ## whether the time of an answer tells what was wrong: statistics on a quiet machine
	$(BIN)/pytest --timeout=600 -s tests/timing $(ARGS)

test-system: peers semgrep ## the tests that need the Debian packages of ci/apt.txt
	@ci/apt.sh check
	$(TWICE) $(BIN)/pytest --timeout=600 tests/system $(ARGS)

# SIGINT, so that containers end and mounts go; what is left even so, the next run removes.
# IMAGE_FOLDER keeps what was built. The time is that of the docs, five times.
test-image: setup ## build the image and run it: needs root and the Debian packages of ci/apt-image.txt
	@ci/apt.sh check apt-image.txt
	timeout --signal=INT --kill-after=60 2400 $(BIN)/pytest --timeout=1800 tests/image $(ARGS)

# The API server is built from Debian's source, as any user: ci/apiserver.sh says what that takes.
reviews: setup ## the webhook before a real API server (RECORD=1: write tests/corpora/reviews anew)
	@ci/apiserver.sh "$(APISERVER)"
	APISERVER="$(APISERVER)" RECORD="$(RECORD)" $(BIN)/pytest --timeout=300 tests/apiserver $(ARGS)

image: ## build the container image with buildah, podman or docker (BUILDER names one)
	@BUILDER="$(BUILDER)" BUILD_ARGS="$(BUILD_ARGS)" ci/image.sh $(ARGS)

wheel: setup ## build the pure wheel and the archive of the source into dist/, the same bytes each time
	ci/wheel.sh $(ARGS)

sbom: setup ## write the bill of materials of what is released (CycloneDX) into dist/
	@epoch=$$(ci/epoch.sh) && SOURCE_DATE_EPOCH=$$epoch $(BIN)/python -m ci.sbom $(ARGS)

chart: setup ## lint, render and judge the chart (GOLDEN=1: write the golden files anew)
	$(if $(GOLDEN),$(BIN)/python -m tests.chart.golden)
	$(BIN)/pytest $(SPREAD) tests/chart $(ARGS)

docs: setup ## generate the reference manual from its tables
	$(BIN)/python docs/generate.py

docs-check: setup ## fail when the generated manual is stale
	$(BIN)/python docs/generate.py --check

check: lint types coverage docs-check ## what CI runs before test-system and test-image

clean: ## remove what setup, tests and tools made
	rm -rf .venv .venv-compiled .venv-peers .venv-semgrep .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist htmlcov
	rm -f .coverage .coverage.* coverage.json
