PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?=
TEST ?=
KILLS ?= 500
SEED ?= 1
FAULTS ?=
PAYLOADS ?= 1000000
# Not those of the agent's own pace, which an emulated processor cannot keep.
ARM64_TESTS := $(addprefix edge/test_,agent_command.py camera.py classify.py detector.py doctor.py outbox.py \
	outbox_cap.py outbox_damage.py outbox_time.py uplink.py) \
	$(addprefix mien/test_,classifier.py faces.py observation.py preprocessing.py)

.PHONY: demo test test-arm64 test-flash faults fuzz lint locks system clean

demo: $(VENV)/demo ## run the whole path on this machine; hand flags on with DEMO="--seconds 20"
	@$(BIN)/mien demo $(DEMO)

test: $(VENV)/test lint ## set up and run all checks and tests; hand flags on with TEST="-k outbox"
	$(BIN)/python -m pytest $(TEST)

test-arm64: $(VENV)/test $(VENV)/arm64/python ## run the device's tests as a Pi's processor would, emulated by qemu
	rm -rf build
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(VENV)/arm64/site .
	rm -rf build
	$(BIN)/python -m pytest tests/arm64
	cd $(VENV)/arm64 && ./python -m pytest -p no:cacheprovider -k "not can_mend" $(ARM64_TESTS:%=$(CURDIR)/tests/%)

test-flash: $(VENV)/test $(VENV)/arm64/python ## flash a card's image, install from it on an emulated Pi, see its rows arrive
	$(BIN)/python -m pytest tests/flash $(TEST)

faults: $(VENV)/test ## kill everything at random and look for every observation: make faults KILLS=500 SEED=1
	PYTHONPATH=tests/support $(BIN)/python tests/faults/harness.py $(KILLS) $(SEED) $(FAULTS)

fuzz: $(VENV)/test ## send damaged messages into a store and account for each: make fuzz PAYLOADS=1000000
	PYTHONPATH=tests/support $(BIN)/python tests/faults/fuzz.py $(PAYLOADS) $(SEED)

# mypy reads mien as it is installed, since the folders here stand apart: edge/ is mien.edge.
lint: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build $(VENV)/typed
	$(BIN)/python -m pip install --quiet --no-deps --target $(VENV)/typed .
	rm -rf build
	MYPYPATH=$(VENV)/typed $(BIN)/mypy -p mien

locks: $(VENV)/test ## lock the newest packages that a device may get; see deploy/locks
	$(BIN)/python -m mien.deploy.lock

system: ## install with apt what the tests need besides Python; as root
	apt-get update
	apt-get install --yes --no-install-recommends \
		chromium dosfstools mmdebstrap mosquitto mtools openssl postgresql sqlite3 systemd

clean:
	rm -rf $(VENV) build *.egg-info

$(VENV)/arm64/python: pyproject.toml tests/arm64/prepare.sh | $(VENV)/test
	@echo "unpacking a Pi's Python and packages into $(VENV)/arm64: two minutes, once"
	@tests/arm64/prepare.sh $(VENV)/arm64 $(BIN)/python

$(VENV)/%: pyproject.toml
	@echo "setting up $(VENV) for $*: a minute or a few, once"
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --quiet --upgrade pip
	@$(BIN)/python -m pip install --quiet --quiet --editable '.[$*]'
	@touch $@
