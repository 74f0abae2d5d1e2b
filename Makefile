# The two commands are `make audit` and `make test`; both set up .venv first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup audit test docs results pictures faults lint bench soak rehearsal vulnerabilities

setup: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[sample,cluster,dev]"
	touch $@

audit: setup
	test -e data/sample/dataset.json || $(BIN)/filterscope sample data/sample --images 600 --seed 0
	$(BIN)/filterscope audit --model package:efficientnet-lite0 --data data/sample --layers _bn1,_blocks.10 \
	  --methods dissection,anchorings,significance,stability,growth --out runs/sample

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# the documentation site, into build/docs; warnings are errors, and nothing is fetched
docs: setup
	$(BIN)/python docs/site/build.py

# what commands print on the pages of documentation, made again; about five minutes
results: setup
	$(BIN)/python -m tests.docs.results

# the pictures on the pages of the methods, drawn again, and those of README and report, which needs Chromium
pictures: setup
	$(BIN)/python -m tests.docs.pictures
	$(BIN)/python -m tests.docs.screenshots

faults: setup
	FILTERSCOPE_SLOW=1 FILTERSCOPE_FAULTS=1 $(BIN)/python -m pytest tests/faults tests/clusters tests/object_stores

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: setup
	$(BIN)/python -m tests.bench

soak: setup
	$(BIN)/python -m tests.faults.soak --minutes 30

# 40 checkpoints x 10,000 images on three nodes, one lost every minute; REHEARSAL="--models 6 --images 1000" is a short one
rehearsal: setup
	$(BIN)/python -m tests.faults.rehearsal $(REHEARSAL)

# pip-audit in its own environment, since it is not part of the project; --strict: what cannot be checked is an error
vulnerabilities:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/pip install --quiet pip-audit
	.venv-audit/bin/pip-audit --strict --disable-pip --require-hashes -r deploy/requirements.txt -r deploy/requirements-cuda.txt
