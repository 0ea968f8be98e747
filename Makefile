# make            what there is to make
# make lab        the only command a reader needs
# make test       the only command a contributor needs

NB     ?=
SEEDS  ?= 0 1 2
ONLY   ?=
PYTHON ?= python3
BIN    := .venv/bin
READY  := .venv/ready
DEV    := .venv/dev-ready
# JupyterLab covers its first page with a question about news; here it doesn't.
QUIET  := {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}

.DEFAULT_GOAL := help
.PHONY: help lab test run results bench colab lint browser clean

help:  ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1|/' | \
	    awk -F'|' '{printf "%-16s%s\n", $$1, $$2}'

# The stamp is made last: an installation that broke off starts again, a finished one never.
$(READY): requirements.txt tests/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	    { echo "$(PYTHON) is too old or missing: d2lmini needs Python 3.10 or newer (make PYTHON=python3.12 …)"; exit 1; }
	@$(PYTHON) -m venv .venv || \
	    { echo "$(PYTHON) cannot make a virtual environment: on Debian and Ubuntu, apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements.txt -r tests/requirements.txt
	@mkdir -p .venv/share/jupyter/lab/settings
	@echo '$(QUIET)' > .venv/share/jupyter/lab/settings/overrides.json
	@touch $@

$(DEV): $(READY) tools/requirements-dev.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r tools/requirements-dev.txt
	@touch $@

lab: $(READY)  ## Set up once and open JupyterLab on the contents (LAB="--no-browser" to add options)
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks/00-start-here.ipynb $(LAB)

test: $(READY)  ## Run every notebook and every test (NB=06 or NB=lenet: one notebook only)
	D2LMINI_PROFILE=test $(BIN)/python -m pytest $(if $(NB),notebooks/*$(NB)*.ipynb,-n 3 tests notebooks)

run: $(READY)  ## Run the notebooks and store their outputs (NB=06 or NB=lenet: one notebook only)
	$(BIN)/python tools/run.py $(NB)
	$(BIN)/python tools/navigation.py
	$(BIN)/python tools/picture.py

results: $(READY)  ## Train what is missing in data/results.jsonl (SEEDS="0 1 2", ONLY=lenet)
	$(BIN)/python tools/results.py --seeds $(SEEDS) --only "$(ONLY)"
	$(BIN)/python tools/navigation.py

bench: $(READY)  ## Time d2lmini against the book's package, on a quiet machine (some 15 minutes)
	$(BIN)/python tools/bench.py

colab: $(READY)  ## Write copies of the notebooks that need no other file, into build/colab
	$(BIN)/python tools/colab.py

lint: $(DEV)  ## Check module, tests and tools, and what a reader sees of the notebooks
	$(BIN)/ruff check .
	$(BIN)/python tools/check_notebooks.py

browser: $(DEV)  ## Open notebooks in JupyterLab in headless Chromium and move their sliders
	$(BIN)/python tools/browser.py $(NB)

clean:  ## Remove the environment and what runs leave behind; downloaded data stay
	rm -rf .venv .pytest_cache .ruff_cache build data/stand-in data/download-*
	find . \( -name __pycache__ -o -name .ipynb_checkpoints \) -type d -prune -exec rm -rf {} +
