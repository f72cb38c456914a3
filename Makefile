# SPDX-License-Identifier: BSD-3-Clause
#
# The everyday verbs; meson and ninja do the work.

BUILD ?= build
PREFIX ?= /usr/local

SECONDS ?= 60

.PHONY: all demo test quick lab bench coverage fuzz lint docs install clean help

all: $(BUILD)/build.ninja ## build everything in build/
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	meson setup $(BUILD) --prefix=$(PREFIX)

demo: ## watch frames go through a software vDPA device and back (ARGS=--help)
	devtools/demo.sh $(ARGS)

test: ## set up, build and run all tests (ARGS=--help)
	devtools/test.sh $(ARGS)

quick: ## build and run the unit tests only
	devtools/test.sh --quick $(ARGS)

lab: all ## run the tests that need a guest with the real kernel (ARGS=--help)
	devtools/lab/test $(ARGS)

bench: all ## compare throughput with the distribution's DPDK (ARGS=--back-end, ARGS=--help)
	devtools/bench/bench.py $(ARGS)

coverage: ## tell which lines of the vhost library the tests run (ARGS=--help)
	devtools/coverage.sh $(ARGS)

fuzz: ## fuzz the vhost library and the virtio front end, each target for SECONDS (ARGS=--help)
	devtools/fuzz/run.sh --seconds $(SECONDS) $(ARGS)

lint: ## check format, licence lines, scripts, spelling, documentation
	devtools/lint.sh

docs: $(BUILD)/build.ninja ## build the guides and the API documentation
	ninja -C $(BUILD) docs

install: all ## install under PREFIX (and DESTDIR)
	meson install -C $(BUILD) --no-rebuild

clean: ## remove the build directories
	rm -rf build build-*

help: ## this text
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
