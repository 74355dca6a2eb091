# Everything a developer types. `make help` lists it; the environment lives in .venv/ and is made and renewed by itself.

PYTHON ?= python3
RUNTIME ?= cpu
TORCH_INDEX ?=
SOAK_SECONDS ?= 60
ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed-$(RUNTIME)
RUNTIMES := cpu gpu openvino
TESTED_MODELS := efficientnet-lite0 efficientnet-lite2 silero-vad whisper-base
BUILD_cpu := onnxruntime
BUILD_gpu := onnxruntime-gpu
BUILD_openvino := onnxruntime-openvino
OTHER_BUILDS := $(foreach runtime,$(filter-out $(RUNTIME),$(RUNTIMES)),$(BUILD_$(runtime)))

ifeq ($(filter $(RUNTIME),$(RUNTIMES)),)
$(error RUNTIME=$(RUNTIME) is not known; take one of: $(RUNTIMES))
endif

# The service's settings say which models are served and where they lie; nothing of that is repeated here.
define MISSING_MODELS
import sys
from models.store import Store
from service.errors import StartupError
from service.settings import read_settings
try:
    settings = read_settings()
except StartupError as error:
    sys.exit(error.detail)
store = Store(settings.artifacts)
names = (reference.partition("@")[0] for reference in settings.models)
print(*(name for name in names if not store.versions(name)))
endef
export MISSING_MODELS

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help install models serve test check bench soak clean

help:  ## print this text
	@sed -n 's/^\([a-z]*\):.*## /\1 /p' Makefile | while read -r target words; do printf '  make %-9s %s\n' "$$target" "$$words"; done
	@printf '\nVariables, as in `make serve RUNTIME=gpu`:\n'
	@printf '  %-13s %s\n' \
	  PYTHON "interpreter that makes $(VENV), 3.11 or newer (now: $(PYTHON))" \
	  RUNTIME "build of onnxruntime: $(RUNTIMES) (now: $(RUNTIME))" \
	  TORCH_INDEX "one more package index for torch, which only export and training need," \
	  "" "such as https://download.pytorch.org/whl/cpu for the small build without CUDA" \
	  PIP_INDEX_URL "a mirror of PyPI, such as https://pypi.tuna.tsinghua.edu.cn/simple" \
	  HF_ENDPOINT "a mirror of the hub for --weights hub:, such as https://hf-mirror.com" \
	  SOAK_SECONDS "how long each soak test lasts (now: $(SOAK_SECONDS)); PERCEPT_FUZZ_SEED repeats the cases of a seed" \
	  ARGS "passed on by test, soak and bench, such as ARGS=-k\ store" \
	  "PERCEPT_*" "settings of the service, such as PERCEPT_PORT=9000 or PERCEPT_MODELS=efficientnet-lite2"

install: $(INSTALLED)  ## make .venv and install everything into it

models: $(INSTALLED)  ## export those models of PERCEPT_MODELS that are missing
	@missing=$$($(PY) -c "$$MISSING_MODELS") && if [ "$$missing" ]; then exec $(PY) -m training export --if-missing $$missing; fi

serve: models  ## serve on http://127.0.0.1:8000 until Ctrl-C
	@exec $(PY) -m service

test: models  ## run all tests but the slow ones
	@$(PY) -m training export --if-missing $(TESTED_MODELS)
	@exec $(PY) -m pytest -m "not slow" $(ARGS)

check: $(INSTALLED)  ## formatting, lint, types and the rules of who imports whom
	@$(PY) -m ruff format --check --quiet .
	@$(PY) -m ruff check --quiet .
	@$(PY) -m mypy
	@$(PY) -m pytest -q -n 0 tests/test_architecture.py

bench: models  ## measure the service
	@exec $(PY) -m benchmarks $(ARGS)

soak: models  ## run the slow tests: load, leaks and the long fuzz, each for SOAK_SECONDS
	@PERCEPT_SOAK_SECONDS=$(SOAK_SECONDS) exec $(PY) -m pytest -m slow -n 0 $(ARGS)

clean:  ## remove .venv; exported models stay
	@rm -rf $(VENV)

# Stamps: a step that was interrupted leaves none and is done again.
$(VENV)/.created:
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON). Name a Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$$($(PYTHON) --version) is too old. Name a Python 3.11 or newer: make PYTHON=python3.12" >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV) || { echo "On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@touch $@

$(INSTALLED): pyproject.toml constraints.txt $(VENV)/.created
	@echo "Installing Percept for $(RUNTIME) and its dependencies into $(VENV)"
	@rm -f $(VENV)/.installed-*
	@# the builds of onnxruntime are one module: the others must be gone before this one is installed
	@$(PY) -m pip uninstall --quiet --quiet --yes $(OTHER_BUILDS)
	@if [ -t 1 ]; then quiet=; else quiet=--quiet; fi; \
	  $(PY) -m pip install $$quiet --disable-pip-version-check --constraint constraints.txt \
	  $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) --editable '.[$(RUNTIME),training,dev]' \
	  || { echo "Installing failed. It needs a network; PIP_INDEX_URL=https://… names a mirror of PyPI." >&2; exit 1; }
	@touch $@
