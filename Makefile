# Everything that is run here installs what it needs into .venv; nothing else on the machine is touched.
PYTHON ?= python3
TREE ?= /usr/share/doc
STEPS ?=

.DEFAULT_GOAL := help
SCENARIO ?=
TIMES ?= 20
.PHONY: help setup demo demo-atime demo-watcher lock-manager docs pictures release test test-matrix hosts molecule test-nfs test-nightly \
  bench lint unit integration clean requirements

help:  ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## Make .venv with pinned packages (skipped when it is up to date)
	@$(PYTHON) tests/tools/setup_venv.py

demo: setup  ## See it work against a simulated cluster that holds TREE (default /usr/share/doc)
	@.venv/bin/python -m tests.tools.demo --tree "$(TREE)"

demo-atime: setup  ## See reads become access times, through a real rsyslogd
	@.venv/bin/python -m tests.tools.atime_demo

demo-watcher: setup  ## See the watcher lock files on a simulated cluster (half a minute)
	@.venv/bin/python -m tests.tools.watcher_demo

lock-manager: setup  ## Open the lock manager's page on a simulated cluster with people at work
	@.venv/bin/python -m tests.tools.lock_manager_demo

docs: setup  ## Make the documentation site, and check its links
	@.venv/bin/python -m tests.tools.docs_site

pictures: setup  ## Make the pictures of the guides anew, in a browser (needs Chromium)
	@.venv/bin/python -m tests.tools.pictures

release: setup  ## Build the artifact, and try it where nothing else is
	@.venv/bin/python -m tests.tools.release

test: setup  ## Run everything that CI runs (STEPS=unit,sanity for some of it)
	@.venv/bin/python -m tests.tools.run $(if $(STEPS),--steps "$(STEPS)")

lint: setup  ## Run the quick checks alone
	@.venv/bin/python -m tests.tools.run --steps ruff,mypy,docs

unit: setup  ## Run the Python tests alone
	@.venv/bin/python -m tests.tools.run --steps pytest

integration: setup  ## Run the playbook tests alone
	@.venv/bin/python -m tests.tools.run --steps integration

test-matrix: setup  ## Test all versions of ansible-core, Python and the SDK that are promised
	@.venv/bin/nox

hosts: setup  ## Make the image of the test hosts (skipped without root)
	@.venv/bin/python -m tests.hosts

molecule: setup  ## Test the roles on hosts with systemd (SCENARIO=watcher for one of them)
	@.venv/bin/python -m tests.hosts.molecule $(SCENARIO)

test-nfs: setup  ## Test the syncer on a virtual machine with a real NFS mount (skipped without root)
	@.venv/bin/python -m tests.nfs

test-nightly: setup  ## Test with TIMES (default 20) as many random examples, and keep what fails (hours)
	@LOCKSTEP_EXAMPLES=$(TIMES) LOCKSTEP_FULL_SIZE=1 LOCKSTEP_KILLS=100 .venv/bin/python -m pytest -q -p no:cacheprovider \
	  -n auto --dist loadfile -m "hypothesis or randomized" tests/unit tests/simulator/tests tests/functional

bench: setup  ## Measure (takes some minutes)
	@.venv/bin/python -m tests.bench

requirements:  ## Pin the newest packages anew (needs uv)
	uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --no-strip-extras \
	  --python-version 3.11 requirements/dev.in -o requirements/dev.txt
	uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --no-strip-extras \
	  --python-version 3.11 requirements/docs.in -o requirements/docs.txt
	uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --universal \
	  --python-version 3.9 requirements/service.in -o roles/_service/files/requirements.txt
	uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-header --universal \
	  --python-version 3.9 requirements/lock_manager.in -o roles/lock_manager/files/requirements.txt

clean:  ## Remove .venv and all that was built
	rm -rf .venv .cache tests/output
