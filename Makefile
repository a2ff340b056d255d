# Fr: a pipeline for brain imaging. `make help` lists what there is.
#
# Variables given on the command line (make all SCANS=20) reach the programs as environment.

.DEFAULT_GOAL := help
.PHONY: help all fr_hub fr_brain fr_pacs verify audit retention errors requeue certs roles \
	report reanalyze schema conformance tests quick audit-dependencies fuzz faults coverage bench \
	evaluate format lint template picture settings licences lock clean

VENV := .venv
BIN := $(VENV)/bin
PACKAGES := common fr_pacs fr_hub fr_brain
TESTS ?= tests
# Three tests at a time on two cores: many of them mostly wait.
AT_ONCE := $(shell expr 3 \* `nproc` / 2)
# The first supported Python on the PATH (pyjpegls has no wheel for 3.14); PYTHON=… names another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done)
# The locks name every package, so pip need not resolve: --no-deps installs them with any pip.
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off \
	--require-hashes --no-deps --quiet -r

help: ## Show this
	@echo "Targets:"
	@awk -F ':.*## ' '/^[a-z_-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "Variables (make all SCANS=20; each also from the environment or .env):"
	@sed -nE 's/^#  ([A-Z_]+ +)/  \1/p' $(MAKEFILE_LIST)
	@echo
	@echo "All settings: .env.example, or $(BIN)/python -m fr_hub --help (fr_brain, fr_pacs)"
#  SCANS     how many scans to send; none: until Ctrl-C
#  SOURCE    file or folder of NIfTI or DICOM to send instead of synthetic scans
#  KIND      phantom (3-D heads) or grid (10x10)
#  SHAPE     of a synthetic scan, such as 128 or 181x217x181
#  CONTRAST  of synthetic heads: flair or t1
#  RATE      scans a second; none: as fast as possible, or 2 in an endless stream
#  THREADS   connections of Fr-PACS to Fr-HUB
#  SEED      of synthetic scans
#  REPORTS   folder that gets each report as JSON and text, and its picture
#  LEDGER    file that gets each scan's events as JSON lines; for verify: the file to check
#  SUMMARY   file that gets the totals as JSON
#  ID        for report, requeue, reanalyze: the scans that are meant, with commas
#  OUT       for report: folder that gets the files
#  ANALYZER  for reanalyze: only scans that this analyzer reads now
#  NAME      for conformance: the analyzer, such as volume or my_package:Dark
#  SCAN      for audit: a scan's id, whose history is printed
#  SINCE     for audit: print what happened since this time, such as 2026-01-31T08:00
#  KEEP      for audit: file that gets the trail's heads, to be kept elsewhere
#  HEADS     for audit: file made with KEEP, to check the trail against
#  JSON      1: verify, audit, errors and retention print JSON
#  ALL       1, for requeue: all that are set aside
#  APPLY     1, for retention: have it go
#  NAMES     for certs: units that get a certificate, such as fr-hub,mr-1
#  EVALUATION  file that gets the results of evaluate as JSON
#  FUZZ_S    how long to fuzz each target, seconds (60)
#  TESTS     which tests to run, such as tests/common
#  BENCH     file that gets every value of a benchmark as JSON, pictures beside it
#  QUICK     1: a benchmark of a few minutes
#  ONLY      parts of bench (small,latency), rows of evaluate (hard,real), targets of fuzz (wire),
#            faults (kill-hub,at-*)
#  MINUTES   faults: go round again until so long has passed; none: each fault once
#  KILLS     faults: of each unit; none: 17 (SEED gives the same schedule again)
#  LOAD      faults: how much is sent (1: 12 scans a second and world)
#  WORLDS    faults: at a time, each with its own MongoDB and units; none: 2
#  FAULTS_FOLDER  faults: folder in which logs, ledgers and data stay
#  FAULTS_REPORT  faults: file that gets all as JSON
#  SBOM      file that gets the list of packages (CycloneDX) of audit-dependencies
#  PYTHON    the Python that makes .venv
#  VENV      folder of the virtual environment (.venv)

all: $(VENV)/ready ## Run Fr-HUB, Fr-BRAIN and Fr-PACS on this machine, with a MongoDB of their own
	@$(BIN)/fr all

fr_hub: $(VENV)/ready ## Run Fr-HUB alone
	@$(BIN)/fr hub

fr_brain: $(VENV)/ready ## Run Fr-BRAIN alone
	@$(BIN)/fr brain

fr_pacs: $(VENV)/ready ## Run Fr-PACS alone
	@$(BIN)/fr pacs

verify: $(VENV)/ready ## Check the whole store for gaps and duplicates
	@$(BIN)/fr verify

audit: $(VENV)/ready ## Verify the audit trail; SCAN=id: who did what with a scan
	@$(BIN)/fr audit

errors: $(VENV)/ready ## List the scans set aside as 'Error', each with its cause
	@$(BIN)/fr failed

requeue: $(VENV)/ready ## Put scans set aside back: ID=scan,... or ALL=1
	@$(BIN)/fr requeue

retention: $(VENV)/ready ## Say what is older than RETENTION_DAYS=; APPLY=1 has it go
	@$(BIN)/fr retention

certs: $(VENV)/ready ## Make a private authority and the certificates of units for TLS
	@$(BIN)/fr certs

roles: $(VENV)/ready ## Make the units' users in MongoDB, each with the least that it needs
	@$(BIN)/fr roles

report: $(VENV)/ready ## Write the report of a scan as JSON, text and picture: ID=scan,... OUT=folder
	@$(BIN)/fr report

reanalyze: $(VENV)/ready ## Have scans analysed again that another analyzer read: ANALYZER=name, ID=scan,...
	@$(BIN)/fr reanalyze

schema: $(VENV)/ready ## Print the JSON schema of a report
	@$(BIN)/fr schema

conformance: $(VENV)/ready ## Check that an analyzer does what one must: NAME=entry point or module:Class
	@$(BIN)/fr conformance $(if $(NAME),NAME=$(NAME))

tests: $(VENV)/ready-dev ## Run the tests on a real MongoDB
	$(BIN)/python -m pytest -n $(AT_ONCE) --dist worksteal $(TESTS)

quick: $(VENV)/ready-dev ## Run the tests that need no MongoDB and start no processes
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "unit and not slow" $(TESTS)

audit-dependencies: $(VENV)/ready-audit ## Check the locked packages for known vulnerabilities, write SBOM=dist/sbom.json
	@$(BIN)/python -m tests.dependencies $(or $(SBOM),dist/sbom.json)

fuzz: $(VENV)/ready-dev ## Fuzz each parser for FUZZ_S seconds; exit code 1 on a finding
	@FUZZ_S="$(FUZZ_S)" ONLY="$(ONLY)" $(BIN)/python -m tests.fuzz

faults: $(VENV)/ready-dev ## Inject every fault into real units at load, account for each scan
	@$(BIN)/python -m tests.faults

coverage: $(VENV)/ready-dev ## Run the tests, show what lines and branches they miss
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest $(TESTS)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

bench: $(VENV)/ready-bench ## Measure this project, its peers and the limits in one run
	@$(BIN)/python -m tests.benchmarks

evaluate: $(VENV)/ready-dev ## Evaluate the analysis on held-out phantoms and real images
	@$(BIN)/python -m tests.evaluation $(if $(SCANS),--scans $(SCANS)) $(if $(ONLY),--only "$(ONLY)") \
		$(if $(JOBS),--jobs $(JOBS)) $(if $(EVALUATION),--json $(EVALUATION))

format: $(VENV)/ready-dev ## Format the code
	$(BIN)/isort $(PACKAGES) tests
	$(BIN)/black $(PACKAGES) tests

lint: $(VENV)/ready-dev ## Check format, lint and types
	$(BIN)/isort --check-only $(PACKAGES) tests
	$(BIN)/black --check $(PACKAGES) tests
	$(BIN)/ruff check $(PACKAGES) tests
	$(BIN)/mypy

template: $(VENV)/ready-dev ## Make the anatomy of the phantoms again
	$(BIN)/python -m tests.fr_pacs.sources.phantom.make_template

picture: $(VENV)/ready ## Make the picture in the README: the report of a synthetic head
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	$(MAKE) --no-print-directory all SCANS=1 SEED=48 SHAPE=160 KIND=phantom CONTRAST=flair \
		BRAIN_PICTURES=1 DATA_DIR=$$folder/data REPORTS=$$folder/reports && \
	cp $$folder/reports/*.png .github/report.png && cat $$folder/reports/*.txt

settings: $(VENV)/ready ## Write .env.example and the tables of common/settings/README.md
	@$(BIN)/python -m common.settings.reference

licences: $(VENV)/ready-dev ## Write the licences of what is installed into .github/THIRD_PARTY.md
	$(BIN)/python -m tests.licences

lock: ## Pin the newest versions (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links --upgrade \
		-q -o common/requirements.txt
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		-c common/requirements.txt -q -o common/requirements-dev.txt
	uv pip compile pyproject.toml --extra dev --extra bench --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		-c common/requirements-dev.txt -q -o common/requirements-bench.txt
	uv pip compile pyproject.toml --extra audit --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		-c common/requirements-dev.txt -q -o common/requirements-audit.txt

clean: ## Remove .venv and caches; data stay (remove .data for those)
	rm -rf $(VENV) .venv-second .coverage .coverage.* htmlcov .pytest_cache .mypy_cache .ruff_cache .hypothesis .fuzz
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/ready: common/requirements.txt pyproject.toml
	$(if $(PYTHON),,$(error Fr needs Python 3.11, 3.12 or 3.13 and finds none on the PATH; set PYTHON= to one))
	@test -x $(BIN)/python || { echo "Creating $(VENV) with $$($(PYTHON) --version)"; $(PYTHON) -m venv $(VENV); }
	$(if $(PIP),@$(BIN)/python -m pip install --disable-pip-version-check --quiet pip==$(PIP))
	@echo "Installing $$(grep -c == $<) packages from $< (about a minute)"
	@$(INSTALL) $<
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "Installed in $(VENV): $$(du -sh $(VENV) | cut -f1)"

$(VENV)/ready-dev: $(VENV)/ready common/requirements-dev.txt
	@echo "Installing $$(grep -c == common/requirements-dev.txt) packages from common/requirements-dev.txt (about a minute)"
	@$(INSTALL) common/requirements-dev.txt
	@touch $@
	@echo "Installed in $(VENV): $$(du -sh $(VENV) | cut -f1)"

$(VENV)/ready-bench: $(VENV)/ready-dev common/requirements-bench.txt
	@echo "Installing $$(grep -c == common/requirements-bench.txt) packages from common/requirements-bench.txt (about a minute)"
	@$(INSTALL) common/requirements-bench.txt
	@touch $@
	@echo "Installed in $(VENV): $$(du -sh $(VENV) | cut -f1)"

$(VENV)/ready-audit: $(VENV)/ready-dev common/requirements-audit.txt
	@echo "Installing $$(grep -c == common/requirements-audit.txt) packages from common/requirements-audit.txt"
	@$(INSTALL) common/requirements-audit.txt
	@touch $@
