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

# A directory that was configured before the tools were there does not know how to build both.
docs: $(BUILD)/build.ninja ## build the guides and the API documentation
	@for tool in sphinx-build doxygen; do command -v $$tool >/dev/null || \
		{ echo "make docs: $$tool is not installed: devtools/setup.sh docs" >&2; exit 1; }; done
	@ninja -C $(BUILD) -t query doc/guides/html doc/api/html >/dev/null 2>&1 || \
		meson setup --reconfigure $(BUILD)
	ninja -C $(BUILD) docs

# A PREFIX that is given replaces that of a directory that is configured already.
install: $(BUILD)/build.ninja ## install under PREFIX (and DESTDIR)
ifneq ($(origin PREFIX),file)
	meson configure $(BUILD) --prefix=$(abspath $(PREFIX))
endif
	ninja -C $(BUILD)
	meson install -C $(BUILD) --no-rebuild

clean: ## remove the build directories
	rm -rf build build-*

help: ## this text
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
