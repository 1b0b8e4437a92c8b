# Each of these commands sets everything up on a machine that has Python >= 3.11, make and git:
#
#   make demo    train and evaluate an adapter on real input, offline once it is installed
#   make service start the example service on http://127.0.0.1:8000; `make service-week` plays a
#                week of simulated users against it and writes service_output/week/page.html
#   make check   format, lint, types and the fast tests, before each commit
#   make test    every check that CI runs
#
# Parts of `make test`: lint, unit, lowest, smoke, docs, wheel. `make clean` removes what was built.
# `make audit`, a part of lint, looks for known vulnerabilities in constraints.txt; `make sbom` writes
# the bill of materials of an installation, dist/sbom.cdx.json, in the CycloneDX format.
# `make databases`, no part of `make test`, tests the stores of Redis, Weaviate and MongoDB (LangChain) in an
# environment of their own.
# `make cluster`, no part of `make test`, tests on a Ray cluster of two nodes and on an S3 server.
# `make docs` builds the documentation site into site/; it needs neither torch nor a framework.
# Options of the service:            make service SERVICE='--port 8080 --folder service_output/week'
# Another interpreter:               make test PYTHON=python3.13
# Another number of test processes:  make test WORKERS=4
# CPU builds of torch from its site: make test TORCH_INDEX=https://download.pytorch.org/whl/cpu

.POSIX:
.NOTPARALLEL:
.PHONY: demo service service-week check test lint audit sbom unit lowest cluster databases smoke docs wheel clean

PYTHON ?= python3
TORCH_INDEX ?=
SERVICE ?=
EXAMPLES = service/week.py 01_demo.py 03_seed_guide.py 04_langchain.py 05_generate.py \
    06_llama_index_stores.py 07_langchain_stores.py 08_finetune_model.py \
    09_walkthrough.py 10_new_model.py

VENV = .venv
BIN = $(VENV)/bin
INSTALL = $(BIN)/python -m pip install -c constraints.txt
OFFLINE = HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false

# Tests run in one process more than cores, each with single-threaded linear algebra. The empty variable
# lets Python keep compiled tests, so that the next process need not compile them again.
WORKERS ?= auto
TEST_ENV = $(OFFLINE) OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=
PARALLEL = --numprocesses $(WORKERS) --maxprocesses 8 --dist worksteal
PYTEST = $(TEST_ENV) $(BIN)/python -m pytest $(PARALLEL)

# Tools of `make audit` and `make sbom`.
AUDIT = .venv-audit

# An environment of its own, with the lowest versions that pyproject.toml allows.
LOWEST = .venv-lowest
LOWEST_PYTHON = $(LOWEST)/bin/python
LOWEST_TESTS = $(CORE:%=tests/query_adapters/%) tests/integrations tests/langchain_adapter \
    tests/llama_index_finetune_plugin
CORE = adapters embedders evaluation finetuning fusion lexical locating training

# An environment for Ray and for clients of S3, which need an older python-dateutil.
CLUSTER = .venv-cluster
CLUSTER_TESTS = tests/query_adapters/pipelines tests/query_adapters/deployment/test_registry.py \
    tests/query_adapters/deployment/test_killed_processes.py \
    tests/query_adapters/deployment/test_failing_stores.py

# An environment for the packages of Redis and Weaviate, which need an older protobuf and others.
# Those of LlamaIndex and LangChain for Redis need two versions of redisvl: one after the other.
# They are imported first, because tests of what cannot be imported are skipped.
DATABASES = .venv-databases
DATABASES_TESTS = tests/query_adapters/stores/test_databases.py tests/integrations/test_other_stores.py
DATABASES_HELD = certifi|grpcio|protobuf
LANGCHAIN_REDIS = langchain-redis==0.2.6
LLAMA_INDEX_REDIS = llama-index-vector-stores-redis==0.9.0 redisvl==0.4.1 redis==5.3.1 \
    coloredlogs==15.0.1 humanfriendly==10.0 ml-dtypes==0.4.1 python-ulid==3.2.1 tabulate==0.9.0 \
    PyJWT==2.15.1

demo: $(VENV)/.demo
	$(OFFLINE) $(BIN)/python examples/01_demo.py

service: $(VENV)/.service
	$(OFFLINE) $(BIN)/python -m examples.service.app $(SERVICE)

service-week: $(VENV)/.service
	rm -rf service_output/week
	$(OFFLINE) $(BIN)/python -m examples.service.week

check: lint
	$(PYTEST) -q -m "not slow" --ignore tests/docs

test: lint unit lowest smoke docs wheel

lint: $(VENV)/.test audit
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# Where its tool cannot be installed or no service knows vulnerabilities, it says so and passes.
audit:
	@if $(MAKE) $(AUDIT)/.tools; then $(AUDIT)/bin/python .ci/audit.py constraints.txt; \
	else echo 'audit: skipped (its tool could not be installed)'; fi

# An installation with all extras, in a temporary environment.
sbom: $(AUDIT)/.tools
	mkdir -p dist
	@set -e; elsewhere=$$(mktemp -d); trap 'rm -rf "$$elsewhere"' EXIT; \
	$(BIN)/python -m venv "$$elsewhere"; \
	"$$elsewhere/bin/python" -m pip install -q --upgrade 'pip>=25.3'; \
	"$$elsewhere/bin/python" -m pip install -q -c constraints.txt \
	    $(TORCH_INDEX:%=--extra-index-url %) torch; \
	"$$elsewhere/bin/python" -m pip install -q -c constraints.txt \
	    --build-constraint constraints.txt '.[all]'; \
	"$$elsewhere/bin/python" -m pip uninstall -q -y pip; \
	$(AUDIT)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
	    --output-file dist/sbom.cdx.json "$$elsewhere/bin/python"

unit: $(VENV)/.test
	$(PYTEST) --cov

# What users call, on the lowest versions. Warnings are not errors here: old packages cause many.
lowest: $(LOWEST)/.test
	$(TEST_ENV) $(LOWEST_PYTHON) -m pytest $(PARALLEL) -q -W default -m "not slow" $(LOWEST_TESTS)

# Plain assertions: Python 3.11 fails at times to parse a file for pytest while Ray is loaded.
cluster: $(CLUSTER)/.test
	$(TEST_ENV) $(CLUSTER)/bin/python -m pytest -q --assert=plain $(CLUSTER_TESTS)

databases: $(DATABASES)/.test
	$(DATABASES)/bin/python -m pip install -q --no-deps $(LANGCHAIN_REDIS)
	$(DATABASES)/bin/python -c 'import langchain_mongodb, langchain_redis, langchain_weaviate'
	$(TEST_ENV) $(DATABASES)/bin/python -m pytest -q $(DATABASES_TESTS) -k 'mongodb or redis or weaviate' \
	    -W 'ignore:.langchain-community:DeprecationWarning'
	$(DATABASES)/bin/python -m pip install -q --no-deps $(LLAMA_INDEX_REDIS)
	$(DATABASES)/bin/python -c 'import llama_index.vector_stores.redis'
	$(TEST_ENV) $(DATABASES)/bin/python -m pytest -q $(DATABASES_TESTS) \
	    -k 'redis and not langchain' -W 'ignore:.langchain-community:DeprecationWarning'
	rm -rf $(DATABASES)/.test

smoke: $(VENV)/.test
	printf '%s\n' $(EXAMPLES) | $(OFFLINE) OMP_NUM_THREADS=1 \
	    xargs -P 2 -I '{}' $(BIN)/python 'examples/{}' --smoke
	$(OFFLINE) PYTHON="$$PWD/$(BIN)/python" sh examples/cli_walkthrough.sh --smoke
	$(OFFLINE) $(BIN)/jupyter execute examples/notebooks/*.ipynb

# Warnings are errors: broken links, pages that are missing, docstrings that cannot be read.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Build the source archive and the wheel, then test the installed wheel outside the checkout, with
# each framework alone.
wheel: $(VENV)/.test
	rm -rf dist
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m build
	@set -e; root=$$PWD; elsewhere=$$(mktemp -d); trap 'rm -rf "$$elsewhere"' EXIT; \
	for framework in llama-index langchain; do \
	    $(BIN)/python -m venv "$$elsewhere/$$framework"; \
	    "$$elsewhere/$$framework/bin/python" -m pip install -q -c constraints.txt \
	        "$$(ls dist/*.whl)[$$framework,train]"; \
	    (cd "$$elsewhere" && \
	        "$$framework/bin/python" -I "$$root/.ci/check_wheel.py" "$$framework"); \
	done

clean:
	rm -rf $(VENV) $(AUDIT) $(LOWEST) $(CLUSTER) $(DATABASES) dist site .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis .benchmarks

# Stamp files in the environment: it is installed again only after one of the two files changes.
$(VENV)/.demo: $(VENV)/.torch pyproject.toml
	$(INSTALL) --build-constraint constraints.txt -e '.[demo]'
	@touch $@

$(VENV)/.service: $(VENV)/.torch pyproject.toml
	$(INSTALL) --build-constraint constraints.txt -e '.[demo]' --group service
	@touch $@

$(VENV)/.test: $(VENV)/.torch pyproject.toml
	$(INSTALL) --build-constraint constraints.txt -e '.[all,demo]' --group dev --group stores --group fuzz
	@touch $@

# The tools have dependencies of their own, which must not change what the tests run on.
$(AUDIT)/.tools: $(BIN)/python constraints.txt pyproject.toml
	$(BIN)/python -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install -q --retries 1 --timeout 10 --upgrade 'pip>=25.3'
	$(AUDIT)/bin/python -m pip install -q --retries 1 --timeout 10 -c constraints.txt --group audit
	@touch $@

$(VENV)/.docs: $(BIN)/python constraints.txt pyproject.toml
	$(BIN)/python -m pip install --upgrade 'pip>=25.3'
	$(INSTALL) --group docs
	@touch $@

# torch is installed first and alone, so that no other package is looked up in its index.
$(VENV)/.torch: $(BIN)/python constraints.txt
	$(BIN)/python -m pip install --upgrade 'pip>=25.3'
	$(INSTALL) $(TORCH_INDEX:%=--extra-index-url %) torch
	@touch $@

# uv installs in seconds what takes pip minutes; torch comes from where pip finds the CPU build.
$(LOWEST)/.test: $(BIN)/python constraints-lowest.txt pyproject.toml
	$(BIN)/python -m venv --clear $(LOWEST)
	$(LOWEST_PYTHON) -m pip install -c constraints.txt uv
	$(LOWEST_PYTHON) -m pip install -c constraints-lowest.txt \
	    $(TORCH_INDEX:%=--extra-index-url %) torch
	$(LOWEST)/bin/uv pip install --python $(LOWEST_PYTHON) --link-mode copy --compile-bytecode \
	    -c constraints-lowest.txt --build-constraint constraints.txt -e '.[all]' --group dev
	@touch $@

$(DATABASES)/.test: $(BIN)/python constraints.txt pyproject.toml
	$(BIN)/python -m venv --clear $(DATABASES)
	grep -vE '^($(DATABASES_HELD))==' constraints.txt > $(DATABASES)/constraints.txt
	$(DATABASES)/bin/python -m pip install -q --upgrade 'pip>=25.3'
	$(DATABASES)/bin/python -m pip install -q -c constraints.txt \
	    $(TORCH_INDEX:%=--extra-index-url %) torch
	$(DATABASES)/bin/python -m pip install -q -c $(DATABASES)/constraints.txt \
	    --build-constraint constraints.txt -e '.[all]' --group dev --group databases
	@touch $@

$(CLUSTER)/.test: $(BIN)/python constraints.txt pyproject.toml
	$(BIN)/python -m venv --clear $(CLUSTER)
	grep -v '^python-dateutil==' constraints.txt > $(CLUSTER)/constraints.txt
	$(CLUSTER)/bin/python -m pip install -q --upgrade 'pip>=25.3'
	$(CLUSTER)/bin/python -m pip install -q -c $(CLUSTER)/constraints.txt \
	    --build-constraint constraints.txt -e '.[ray,registry,train,generate,langchain]' --group cluster
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else 1)' || { \
	    echo "Python >= 3.11 is needed, but $(PYTHON) is: $$($(PYTHON) -V 2>&1)" >&2; \
	    echo "Choose another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
