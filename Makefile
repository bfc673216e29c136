# Every command sets up what it needs: a virtual environment in .venv, made once, and again when pyproject.toml or constraints.txt changes.
PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
READY := .venv/ready
# Extras of pyproject.toml that .venv has: all but ray, serve_ray and wandb, which are large and of which tests need none.
EXTRAS := adapters,pictures,graph,tune,sweeps,mlflow,postgres,serve,ann,docs,dev

.PHONY: help install demo serve test test-thorough lint format typecheck coverage docs build audit lock clean

help:  ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22
	@echo "Python 3.11 to 3.13 is needed; name one with PYTHON=python3.12"

install: $(READY)  ## make .venv with all that the other commands need, which they would do, too

demo: $(READY)  ## train on MovieLens-100K with its texts and knowledge graph, print the table, leave a report under runs/
	$(BIN)/mmrec train experiment=demo
	@echo "report: $$(find "$(CURDIR)/runs" -name report.html -exec ls -t {} + | head -n 1)"

serve: $(READY)  ## answer requests with the newest run under runs/, or with the demo if there is none, at http://127.0.0.1:8000
	@ls runs/*/run.json >/dev/null 2>&1 || $(BIN)/mmrec train experiment=demo n_seeds=1 baselines=none
	$(BIN)/mmrec serve

# Tests start some twenty processes that import torch and Lightning: 5 seconds each with compiled modules, 14 without. So these are kept, inside
# .venv, also where the environment says otherwise.
BYTECODE = PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX="$(CURDIR)/.venv/bytecode"
# As many processes as cores, four at most: each takes up to 3 GiB. One that has nothing left takes over half of what another still has to run.
PYTEST = $(BYTECODE) $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist worksteal --durations=25

test: $(READY)  ## run the test suite (40 minutes on two cores)
	$(PYTEST)

test-thorough: $(READY)  ## run what `make test` leaves out: the whole kill matrix, mutations, hostile corpus
	$(PYTEST) -m thorough

lint: $(READY)  ## check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY)  ## put imports and lines in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

typecheck: $(READY)  ## check types
	$(BIN)/mypy --strict mmrec data_modules

coverage: $(READY)  ## run the test suite and write which lines it runs to htmlcov/
	$(PYTEST) --cov=mmrec --cov=data_modules --cov-report=term:skip-covered --cov-report=html

docs: $(READY)  ## build the documentation into site/; a warning is an error
	$(BIN)/mkdocs build --strict

build: $(READY)  ## build the source distribution and the wheel into dist/
	$(BIN)/python -m build --no-isolation

PIP_AUDIT_VERSION := 2.10.1
audit: $(READY)  ## look up known vulnerabilities of the packages in constraints.txt; needs a network
	$(uv) tool run pip-audit==$(PIP_AUDIT_VERSION) --strict --disable-pip --require-hashes -r constraints.txt

clean:  ## remove what these commands made, the results in runs/ excepted
	rm -rf .venv build dist site ./*.egg-info .coverage htmlcov .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv does not read pip's settings, so a mirror or a folder of wheels that pip knows is handed on, and as with pip every index counts.
pip_setting = $${$(1):-$$($(BIN)/pip config get global.$(2) 2>/dev/null | xargs)}
uv = UV_FIND_LINKS="$${UV_FIND_LINKS:-$$(echo "$(call pip_setting,PIP_FIND_LINKS,find-links)" | tr -s ' ' ',')}" \
	UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$(call pip_setting,PIP_INDEX_URL,index-url)}" \
	UV_INDEX="$${UV_INDEX:-$(call pip_setting,PIP_EXTRA_INDEX_URL,extra-index-url)}" \
	UV_INDEX_STRATEGY=unsafe-best-match $(BIN)/uv

# A constraint with a hash makes pip ask for the hash of everything, mmrec's own folder included; uv checks those that are there.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else "found Python %d.%d" % v)' || \
	  { echo "mmrec needs Python 3.11 to 3.13, and PYTHON is \`$(PYTHON)\`; try: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "setting up .venv (once; downloads torch and what goes with it)"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@if $(BIN)/python -m pip install -qq --disable-pip-version-check uv==$(UV_VERSION); then \
	  $(uv) pip install $$([ -t 2 ] || echo --quiet) --python $(BIN)/python -c constraints.txt -b constraints.txt -e '.[$(EXTRAS)]'; \
	else \
	  echo "uv cannot be installed here; pip takes its place, which holds to the versions but checks no hashes"; \
	  sed -e '/--hash=/d' -e 's/ *\\$$//' constraints.txt > .venv/versions.txt; \
	  $(BIN)/python -m pip install -qq -c .venv/versions.txt -e '.[$(EXTRAS)]'; \
	fi
	@touch $@

# Versions already in constraints.txt are kept: to move one, change it there first. The CUDA packages are torch's own affair.
UNPINNED := triton httpx2-jsfetch $(addprefix cuda-,bindings pathfinder toolkit) $(addprefix nvidia-,cublas cuda-cupti cuda-nvrtc \
	cuda-runtime cudnn-cu13 cufft cufile curand cusolver cusparse cusparselt-cu13 nccl-cu13 nvjitlink nvshmem-cu13 nvtx)
comma := ,
lock: $(READY)  ## bring constraints.txt in line with pyproject.toml
	@cp constraints.txt .venv/lock.txt
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header $(addprefix --extra ,$(subst $(comma), ,$(EXTRAS))) \
	  $(addprefix --no-emit-package ,$(UNPINNED)) -o .venv/lock.txt pyproject.toml >/dev/null
	@{ grep '^#' constraints.txt; cat .venv/lock.txt; } > .venv/constraints.txt && mv .venv/constraints.txt constraints.txt
