# `make help` lists what there is.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
# GPU=0 is none, too.
override GPU := $(filter-out 0,$(GPU))
VENV := .venv$(if $(GPU),-gpu)
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.run-ready
RUN_LOCK := requirements/run$(if $(GPU),-gpu).txt
DEV_READY := $(VENV)/.dev-ready
SERVERS := build/servers
MIRRORS := build/mirrors
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation

SOURCE ?=
WEIGHTS ?=
RECIPE ?=
EXPORT ?=
ARGS ?=

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(RUN_READY) ## Run the whole pipeline: SOURCE= WEIGHTS= RECIPE= ARGS= GPU=1
	@$(if $(GPU),GRAFT_EXPECTS_GPU=1) $(BIN)/graft run $(if $(SOURCE),--source "$(SOURCE)") $(if $(WEIGHTS),--weights "$(WEIGHTS)") $(if $(RECIPE),--recipe "$(RECIPE)") $(ARGS)

.PHONY: test
test: $(DEV_READY) ## Run all tests that this machine can, and say what was skipped
	@$(BIN)/python -m pytest $(ARGS)

.PHONY: servers
servers: $(DEV_READY) $(SERVERS)/.ready ## Try an export in KServe's server and in TensorFlow 2.12's C library, installed beside (2 GB)
	@GRAFT_TEST_REQUIRE="kserve tensorflow-2.12" $(BIN)/python -m pytest tests/servers $(ARGS)

.PHONY: deploy-faults
deploy-faults: $(DEV_READY) ## Play 200 random sequences of deployments to Vertex and to KServe while any request may go wrong (3 minutes)
	@GRAFT_TEST_SEQUENCES=200 $(BIN)/python -m pytest tests/components/deploy/test_vertex_faults.py tests/components/deploy/test_kserve_target.py

.PHONY: mirrors
mirrors: $(DEV_READY) $(MIRRORS)/.ready ## Try the mirror of the registry with a real MLflow server, installed beside (600 MB)
	@GRAFT_TEST_REQUIRE=mlflow $(BIN)/python -m pytest tests/components/mirror $(ARGS)

.PHONY: unit
unit: $(DEV_READY) ## Run the fast tests only
	@$(BIN)/python -m pytest -m "not slow and not docker and not photographs and not browser" $(ARGS)

.PHONY: lint
lint: $(DEV_READY) ## Check style, types and which way the imports point
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache --no-logo
	@$(BIN)/python -m pytest -q tests/test_architecture.py

.PHONY: format
format: $(DEV_READY) ## Bring all files into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/python -m graft.pipelines.generated

.PHONY: bench
bench: $(RUN_READY) ## Time training against one bare pass of the backbone, and the original recipe: SOURCE= WEIGHTS= ARGS=--cold
	@test -n "$(SOURCE)" -a -n "$(WEIGHTS)" || { echo "make bench needs SOURCE= and WEIGHTS=, local files." >&2; exit 1; }
	@$(BIN)/python tests/bench/training.py --source "$(SOURCE)" --weights "$(WEIGHTS)" $(ARGS)

.PHONY: bench-ingest
bench-ingest: $(DEV_READY) ## Time ingest of 3,000 and 100,000 images against a bare loop over them: SOURCE= ARGS=
	@test -n "$(SOURCE)" || { echo "make bench-ingest needs SOURCE=, a local zip of images." >&2; exit 1; }
	@$(BIN)/python tests/bench/ingest.py --source "$(SOURCE)" $(ARGS)

.PHONY: bench-scale
bench-scale: $(RUN_READY) ## Time what ingest and evaluate do with 100,000 and a million images beside reading them, on synthetic rows
	@$(BIN)/python tests/bench/scale.py

.PHONY: bench-evaluate
bench-evaluate: $(RUN_READY) ## Time evaluate against a bare pass of the trained network: SOURCE= WEIGHTS=
	@test -n "$(SOURCE)" -a -n "$(WEIGHTS)" || { echo "make bench-evaluate needs SOURCE= and WEIGHTS=, local files." >&2; exit 1; }
	@$(BIN)/python tests/bench/evaluate.py --source "$(SOURCE)" --weights "$(WEIGHTS)"

.PHONY: bench-tune
bench-tune: $(RUN_READY) ## Time 50 trials of a search against one bare pass of the backbone, and ask what it gains: SOURCE= WEIGHTS= ARGS=--quick
	@test -n "$(SOURCE)" -a -n "$(WEIGHTS)" || { echo "make bench-tune needs SOURCE= and WEIGHTS=, local files." >&2; exit 1; }
	@$(BIN)/python tests/bench/tune.py --source "$(SOURCE)" --weights "$(WEIGHTS)" $(ARGS)

.PHONY: bench-labels
bench-labels: $(RUN_READY) ## Flip labels of training images, and ask which are listed and what corrections bring back: SOURCE= WEIGHTS= ARGS="--seeds 3"
	@test -n "$(SOURCE)" -a -n "$(WEIGHTS)" || { echo "make bench-labels needs SOURCE= and WEIGHTS=, local files." >&2; exit 1; }
	@$(BIN)/python tests/bench/labels.py --source "$(SOURCE)" --weights "$(WEIGHTS)" $(ARGS)

.PHONY: bench-gpu
bench-gpu: $(RUN_READY) ## Time train and evaluate against what decoding and the bare backbone allow: SOURCE= WEIGHTS= ARGS=--small
	@$(BIN)/python tests/bench/gpu.py $(if $(SOURCE),--source "$(SOURCE)") $(if $(WEIGHTS),--weights "$(WEIGHTS)") $(ARGS)

.PHONY: bench-answers
bench-answers: $(RUN_READY) ## Time help, records and predictions against importing TensorFlow: SOURCE= EXPORT=
	@test -n "$(SOURCE)" -a -n "$(EXPORT)" || { echo "make bench-answers needs SOURCE=, a zip of photographs, and EXPORT=, an export." >&2; exit 1; }
	@$(BIN)/python tests/bench/answers.py --source "$(SOURCE)" --export "$(EXPORT)"

.PHONY: bench-serve
bench-serve: $(RUN_READY) ## Time the server against a bare loop of the same model: SOURCE= EXPORT=
	@test -n "$(SOURCE)" -a -n "$(EXPORT)" || { echo "make bench-serve needs SOURCE=, a zip of photographs, and EXPORT=, an export." >&2; exit 1; }
	@$(BIN)/python tests/bench/serving.py --source "$(SOURCE)" --export "$(EXPORT)"

.PHONY: recording
recording: $(RUN_READY) ## Record `make run` on a terminal: docs/recording.svg
	@$(BIN)/python docs/recording.py

.PHONY: simulate
simulate: $(DEV_READY) ## Play a season of nine retrainings with what goes wrong in a year: SOURCE= WEIGHTS= ARGS="--parts 3"
	@test -n "$(SOURCE)" -a -n "$(WEIGHTS)" || { echo "make simulate needs SOURCE=, a zip of photographs, and WEIGHTS=." >&2; exit 1; }
	@$(BIN)/python tests/season/season.py --source "$(SOURCE)" --weights "$(WEIGHTS)" $(ARGS)

.PHONY: moments
moments: $(DEV_READY) ## Send SIGTERM to steps at a hundred random moments, and look at what they leave
	@$(BIN)/python tests/moments.py ingest=40 train=30 evaluate=10 export=10
	@$(BIN)/python tests/moments.py --images 1200 ingest=10

.PHONY: fuzz
fuzz: $(DEV_READY) ## Read twenty thousand hostile archives under a ceiling of memory and time
	@$(BIN)/python tests/components/ingest/source/hostile.py --archives 20000

.PHONY: races
races: $(DEV_READY) ## Let ingests and gc run against each other 150 times
	@GRAFT_RACE_TRIALS=150 $(BIN)/python -m pytest -q tests/components/ingest/test_races.py tests/pipelines/local/test_garbage_races.py

# The images: BASE_IMAGE=, CA_BUNDLE= and WEIGHTS= are explained in images/README.md.
export BASE_IMAGE CA_BUNDLE

.PHONY: images
images: ## Build the CPU image, graft:cpu
	@WEIGHTS="$(WEIGHTS)" images/build.sh cpu graft:cpu

.PHONY: image-gpu
image-gpu: ## Build the GPU image, graft:gpu (several GB)
	@WEIGHTS="$(WEIGHTS)" images/build.sh gpu graft:gpu

.PHONY: gpu-image-test
gpu-image-test: $(DEV_READY) ## Try graft:gpu with a stand-in for NVIDIA's driver: no GPU is needed
	@GRAFT_TEST_REQUIRE=gpu-image $(BIN)/python -m pytest -m gpu_image tests/docker $(ARGS)

.PHONY: push
push: ## Push the images and write their digests to images.json: REGISTRY=
	@images/push.sh "$(REGISTRY)"

.PHONY: step
step: ## Run one step in Docker over a folder: STEP= DATA= ARGS="--source /data/photos --output /data/dataset"
	@docker run --rm --user "$$(id -u):$$(id -g)" -v "$(abspath $(DATA)):/data" graft:cpu $(STEP) $(ARGS)

.PHONY: image-report
image-report: $(DEV_READY) images ## Measure the CPU image: runs/bench/image.json
	@$(BIN)/python images/report.py graft:cpu runs/bench/image.json

.PHONY: sbom
sbom: $(DEV_READY) ## List what is in the CPU image, as CycloneDX: build/sbom-cpu.json (IMAGE=graft:gpu for the other)
	@$(BIN)/python images/sbom.py $(or $(IMAGE),graft:cpu) build/sbom-$(lastword $(subst :, ,$(or $(IMAGE),graft:cpu))).json

.PHONY: lock
lock: $(DEV_READY) ## Lock the dependencies again
	@requirements/lock.sh $(BIN)/uv

.PHONY: clean
clean: ## Remove the environments, caches and build output; runs/ stays
	rm -rf .venv .venv-gpu build src/*.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# setuptools goes first: some locked packages come as source only, and are built with it instead of an unlocked copy.
# pip would compile thousands of modules one after another: compileall does it on all cores.
$(RUN_READY): requirements/build.txt $(RUN_LOCK) pyproject.toml
	@echo "Setting up $(VENV) (once, a few minutes) …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(INSTALL) --require-hashes -r requirements/build.txt
	@$(INSTALL) --no-compile --require-hashes -r $(RUN_LOCK)
	@$(INSTALL) --no-deps --editable .
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib
	@touch $@

ifneq ($(GPU),)
$(DEV_READY):
	@echo "GPU=1 is for make run and the benchmarks: the tests run on the CPU." >&2; exit 1
else
$(DEV_READY): $(RUN_READY) requirements/dev.txt requirements/dev-no-deps.txt
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@$(INSTALL) --require-hashes --no-deps -r requirements/dev-no-deps.txt
	@touch $@
endif

# TensorFlow 2.12 is a library that nothing imports: it is the same for every Python.
$(SERVERS)/.ready: requirements/kserve.txt requirements/tensorflow-2.12.txt
	@echo "Setting up $(SERVERS) (once, a few minutes) …"
	@rm -rf $(SERVERS)
	@$(PYTHON) -m venv $(SERVERS)/kserve
	@$(SERVERS)/kserve/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements/kserve.txt
	@$(SERVERS)/kserve/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes --no-deps \
		--python-version 3.11 --target $(SERVERS)/tensorflow-2.12 -r requirements/tensorflow-2.12.txt
	@touch $@

$(MIRRORS)/.ready: requirements/mlflow.txt
	@echo "Setting up $(MIRRORS) (once, a minute or two) …"
	@rm -rf $(MIRRORS)
	@$(PYTHON) -m venv $(MIRRORS)/mlflow
	@$(MIRRORS)/mlflow/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements/mlflow.txt
	@touch $@
