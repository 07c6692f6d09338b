PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?=
TEST ?=
WORKERS ?= 3
KILLS ?= 500
SEED ?= 1
FAULTS ?=
PAYLOADS ?= 1000000
SLOW_TESTS := arm64 faults flash broker/demo broker/web/test_app.py reports/test_09_resumed_runs.py deploy/server/test_compose.py \
	deploy/installer/test_power_cut.py edge/commands/test_agent.py edge/test_agent.py mien/messages/test_decoders.py \
	edge/test_failures.py guards/test_distribution.py \
	$(addprefix trainer/,commands data/test_fer2013.py evaluation export models report test_run_folder.py training)
# Not those of the agent's own pace, which an emulated processor cannot keep: the doctor finds it slow, and is right.
ARM64_TESTS := $(addprefix edge/,camera/test_factory.py camera/test_frame.py commands delivery \
	vision/test_face_follower.py vision/test_recorded_boxes.py vision/test_trajectory.py) \
	$(addprefix mien/,face_detection/test_haar.py face_detection/test_conformance.py messages/test_observation.py \
	model/test_classifier.py model/test_preprocessing.py)

.PHONY: demo docs quick test test-all test-attacks test-arm64 test-flash faults fuzz lint locks release system clean

demo: $(VENV)/demo ## run the whole path on this machine; hand flags on with DEMO="--seconds 20"
	@$(BIN)/mien demo $(DEMO)

quick: $(VENV)/test lint ## check style and types, run the tests that need no service: for use while you work
	$(BIN)/python -m pytest --numprocesses $(WORKERS) -m "not service and not slow_attack" $(SLOW_TESTS:%=--ignore=tests/%) $(TEST)

test: $(VENV)/test lint ## set up and run all checks and tests; hand flags on with TEST="-k outbox"
	$(BIN)/python -m pytest --numprocesses $(WORKERS) -m "not slow_attack" $(TEST)

test-attacks: $(VENV)/test ## the attacks that take longer than 5 s: floods, half requests, memory
	$(BIN)/python -m pytest tests/attacks -m slow_attack $(TEST)

test-all: test test-attacks test-arm64 test-flash faults fuzz ## everything, the long runs too: hours; see docs/testing.md

test-arm64: $(VENV)/test $(VENV)/arm64/python ## run the device's tests as a Pi's processor would, emulated by qemu
	rm -rf build
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(VENV)/arm64/site .
	rm -rf build
	$(BIN)/python -m pytest tests/arm64
	cd $(VENV)/arm64 && ./python -m pytest -p no:cacheprovider -k "not can_fix and not ok_if_everything_works" $(ARM64_TESTS:%=$(CURDIR)/tests/%)

test-flash: $(VENV)/test $(VENV)/arm64/python ## flash a card's image, install from it on an emulated Pi, see its rows arrive
	$(BIN)/python -m pytest tests/flash $(TEST)

docs: $(VENV)/docs ## check the spelling, build the documentation site; a warning is an error
	$(BIN)/codespell
	$(BIN)/sphinx-build -q -W --keep-going -c docs . .site
	@echo "see .site/docs/index.html"

faults: $(VENV)/test ## kill everything at random and look for every observation: make faults KILLS=500 SEED=1
	PYTHONPATH=tests/support:tests/services $(BIN)/python tests/faults/harness.py $(KILLS) $(SEED) $(FAULTS)

fuzz: $(VENV)/test ## send damaged messages into a store and account for each: make fuzz PAYLOADS=1000000
	PYTHONPATH=tests/support:tests/services $(BIN)/python tests/faults/fuzz.py $(PAYLOADS) $(SEED)

# mypy reads mien as it is installed, since the folders here stand apart: edge/ is mien.edge.
lint: $(VENV)/test ## check style and types, of the tests and benchmarks too
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build $(VENV)/typed
	$(BIN)/python -m pip install --quiet --no-deps --target $(VENV)/typed .
	rm -rf build
	cp -r tests benchmarks pyproject.toml $(VENV)/typed/
	cd $(VENV)/typed && MYPYPATH=$(subst $() ,:,$(addprefix tests/,support services faults flash) benchmarks) \
		$(CURDIR)/$(BIN)/mypy --cache-dir $(CURDIR)/.mypy_cache --explicit-package-bases mien tests benchmarks

release: $(VENV)/release ## build sdist and wheel into dist/, twice to compare, check and try them; nothing is uploaded
	$(BIN)/python -m mien.deploy.packaging.release

locks: $(VENV)/test ## lock the newest packages that a device may get; see deploy/packaging/locks
	$(BIN)/python -m mien.deploy.packaging.lock_files

system: ## install with apt what the tests need besides Python; as root
	apt-get update
	apt-get install --yes --no-install-recommends \
		chromium dbus dosfstools mmdebstrap mosquitto mtools openssl postgresql prometheus sqlite3 systemd

clean:
	rm -rf $(VENV) .site build *.egg-info

$(VENV)/arm64/python: pyproject.toml tests/arm64/prepare.sh | $(VENV)/test
	@echo "unpacking a Pi's Python and packages into $(VENV)/arm64: two minutes, once"
	@tests/arm64/prepare.sh $(VENV)/arm64 $(BIN)/python

$(VENV)/%: pyproject.toml
	@echo "setting up $(VENV) for $*: a minute or a few, once"
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --quiet --upgrade pip
	@$(BIN)/python -m pip install --quiet --quiet --editable '.[$*]'
	@touch $@
