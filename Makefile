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
	edge/test_failures.py guards/test_distribution.py docs/test_training.py \
	$(addprefix trainer/,commands data/test_fer2013.py evaluation export models report test_run_folder.py training)
# Not those of the agent's own pace, which an emulated processor cannot keep: the doctor finds it slow, and is right. Nor
# `mien aim`, whose processes wait for each other.
ARM64_TESTS := $(addprefix edge/,camera/test_factory.py camera/test_frame.py \
	$(addprefix commands/,test_agent.py test_classify.py test_doctor.py) delivery \
	vision/test_face_follower.py vision/test_recorded_boxes.py vision/test_trajectory.py) \
	$(addprefix mien/,face_detection/test_haar.py face_detection/test_conformance.py messages/test_observation.py \
	model/test_classifier.py model/test_preprocessing.py)

.PHONY: demo docs pictures quick test test-all test-attacks test-arm64 test-flash test-boot test-boot-faults test-containers test-home-assistant test-failover test-brokers test-wheels coverage faults fuzz lint locks release system system-all clean

demo: $(VENV)/demo ## run the whole path on this machine; hand flags on with DEMO="--seconds 20"
	@$(BIN)/mien demo $(DEMO)

quick: $(VENV)/test lint ## check style and types, run the tests that need no service: for use while you work
	$(BIN)/python -m pytest --numprocesses $(WORKERS) -m "not service and not slow_attack and not boot and not real_part" $(SLOW_TESTS:%=--ignore=tests/%) $(TEST)

test: $(VENV)/test lint ## set up and run all checks and tests; hand flags on with TEST="-k outbox"
	$(BIN)/python -m pytest --numprocesses $(WORKERS) -m "not slow_attack and not boot and not real_part" $(TEST)

coverage: $(VENV)/test ## run the tests of `make test` with branch coverage; low modules need a reason in tests/guards
	rm -rf $(VENV)/coverage && mkdir $(VENV)/coverage
	COVERAGE_FILE=$(CURDIR)/$(VENV)/coverage/data $(BIN)/python -m coverage run -m pytest \
		--numprocesses $(WORKERS) -m "not slow_attack and not boot and not real_part" $(TEST)
	cd $(VENV)/coverage && ../bin/python -m coverage combine --quiet --rcfile=../../pyproject.toml --data-file=data .
	COVERAGE_FILE=$(VENV)/coverage/data $(BIN)/python -m coverage json --quiet -o $(VENV)/coverage/report.json
	$(BIN)/python tests/guards/branch_coverage.py $(VENV)/coverage/report.json

test-attacks: $(VENV)/test ## the attacks that take longer than 5 s: floods, half requests, memory
	$(BIN)/python -m pytest tests/attacks -m slow_attack $(TEST)

test-all: test test-attacks test-arm64 test-flash test-boot test-boot-faults test-containers test-home-assistant test-failover test-brokers test-wheels faults fuzz ## everything, the long runs too: hours; see docs/testing.md

test-arm64: $(VENV)/test $(VENV)/arm64/python ## run the device's tests as a Pi's processor would, emulated by qemu
	rm -rf build
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(VENV)/arm64/site .
	rm -rf build
	$(BIN)/python -m pytest tests/arm64
	cd $(VENV)/arm64 && ./python -m pytest -p no:cacheprovider -k "not can_fix and not ok_if_everything_works" $(ARM64_TESTS:%=$(CURDIR)/tests/%)

test-flash: $(VENV)/test $(VENV)/arm64/python ## flash a card's image, install from it on an emulated Pi, see its rows arrive
	$(BIN)/python -m pytest tests/flash $(TEST)

test-boot: $(VENV)/test $(VENV)/boot/recipe ## boot a flashed card's whole system in an emulator: cloud-init, installer, agent, rows
	$(BIN)/python -m pytest tests/boot/test_first_boot.py $(TEST)

test-boot-faults: $(VENV)/test $(VENV)/boot/recipe ## cut its power at work, and at three moments of the first boot
	$(BIN)/python -m pytest tests/boot/test_power_cuts.py $(TEST)

test-containers: $(VENV)/test $(VENV)/containers/installed ## build the image, run compose.yaml, store rows, stop and start
	$(BIN)/python -m pytest tests/containers $(TEST)

test-failover: $(VENV)/test ## restart PostgreSQL, and promote its replica, while rows arrive
	$(BIN)/python -m pytest tests/failover $(TEST)

test-brokers: $(VENV)/test ## what mien needs of an MQTT broker, on each that is installed
	$(BIN)/python -m pytest tests/brokers $(TEST)

test-wheels: $(VENV)/release ## install the wheel on each supported Python of this machine, and run its demo
	rm -rf build
	$(BIN)/python -m mien.deploy.packaging.interpreters
	rm -rf build

test-home-assistant: $(VENV)/test $(VENV)/home-assistant/installed ## a real Home Assistant discovers devices, follows and forgets them
	$(BIN)/python -m pytest tests/home_assistant $(TEST)

docs: $(VENV)/docs ## check the spelling, build the documentation site; a warning is an error
	$(BIN)/codespell
	$(BIN)/sphinx-build -q -W --keep-going -c docs . .site
	@$(BIN)/python tests/docs/code_blocks.py
	@echo "see .site/docs/index.html"

pictures: $(VENV)/test ## draw docs/dashboard.png and docs/demo.svg anew
	PYTHONPATH=tests/support:tests/services $(BIN)/python docs/pictures.py

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
	cd $(VENV)/typed && MYPYPATH=$(subst $() ,:,$(addprefix tests/,support services faults flash guards boot containers home_assistant brokers docs) benchmarks) \
		$(CURDIR)/$(BIN)/mypy --cache-dir $(CURDIR)/.mypy_cache --explicit-package-bases mien tests benchmarks

release: $(VENV)/release ## build sdist and wheel into dist/, twice to compare, check and try them; nothing is uploaded
	$(BIN)/python -m mien.deploy.packaging.release

locks: $(VENV)/test ## lock the newest packages that a device may get; see deploy/packaging/locks
	$(BIN)/python -m mien.deploy.packaging.lock_files

system: ## install with apt what the tests need besides Python; as root
	apt-get update
	apt-get install --yes --no-install-recommends \
		chromium dbus dosfstools gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
		gstreamer1.0-plugins-ugly mmdebstrap mosquitto mtools openssl postgresql prometheus python3-gi sqlite3 systemd

system-all: system ## the same for every test of `make test-all`; as root
	apt-get install --yes --no-install-recommends aardvark-dns buildah cpio kmod netavark podman \
		qemu-system-arm rabbitmq-server runc xz-utils

clean:
	rm -rf $(VENV) .site build *.egg-info

$(VENV)/arm64/python: pyproject.toml tests/arm64/prepare.sh | $(VENV)/test
	@echo "unpacking a Pi's Python and packages into $(VENV)/arm64: two minutes, once"
	@tests/arm64/prepare.sh $(VENV)/arm64 $(BIN)/python

# Where it cannot be made, the tests say why they are skipped.
$(VENV)/boot/recipe: tests/boot/prepare.sh
	@echo "unpacking a Pi's whole system into $(VENV)/boot, as root: three minutes, once"
	-@tests/boot/prepare.sh $(VENV)/boot

$(VENV)/containers/installed: tests/containers/prepare.sh | $(VENV)/test
	@echo "creating what images are made of in $(VENV)/containers, as root: three minutes, once"
	@tests/containers/prepare.sh $(VENV)/containers $(BIN)/python

$(VENV)/home-assistant/installed: tests/home_assistant/prepare.sh
	@echo "installing Home Assistant into $(VENV)/home-assistant: two minutes, once"
	@tests/home_assistant/prepare.sh $(VENV)/home-assistant

$(VENV)/%: pyproject.toml
	@echo "setting up $(VENV) for $*: a minute or a few, once"
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --quiet --upgrade pip
	@$(BIN)/python -m pip install --quiet --quiet --editable '.[$*]'
	@touch $@
