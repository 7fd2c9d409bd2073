# Everything a developer does. `make` alone lists it.
.POSIX:
SHELL = /bin/bash
PYTHON_ENV = .deps/venv

# CharLS (JPEG-LS) builds with CMake; take the one of the Python environment
# when the system has none that runs.
ifeq ($(shell cmake --version 2>/dev/null),)
export CMAKE = $(CURDIR)/$(PYTHON_ENV)/bin/cmake
endif

.PHONY: help deps python libtorch peers viewers build deb try-deb demo test bench chaos conformance fuzz evaluate fmt lint clean-demo

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

deps: python libtorch peers viewers ## fetch what is missing: libtorch, Python packages, Debian peers, viewers

python:
	@sh setup/python.sh

libtorch:
	@sh setup/libtorch.sh

peers:
	@sh setup/debian.sh

viewers: ## OHIF into .deps/ohif, and what else the tests read results with
	@sh setup/node.sh
	@echo "OHIF is in .deps/ohif; for irisnode.toml, [dicomweb]: viewer = \"$(CURDIR)/.deps/ohif\""

build: python libtorch ## release build: target/release/irisnode
	cargo build --release --locked

deb: build ## the Debian package: target/debian/irisnode_VERSION_amd64.deb
	@packaging/debian/build.sh

try-deb: deb ## install, run, upgrade and remove the package on a fresh Debian that systemd runs (needs root, a few minutes)
	@packaging/try-deb.sh

demo: deps build ## the main job end to end against a real Orthanc; picture in demo-out/
	@$(PYTHON_ENV)/bin/python demo/demo.py

test: deps lint ## format, clippy, every test, real peers included
	cargo test --locked

lint: python libtorch ## cargo fmt --check, clippy without a warning, and the fuzz targets still build
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo check --locked --manifest-path fuzz/Cargo.toml

bench: deps build ## the figures of benches/README.md, peers in the same run; some of it: PARTS="receive --quick"
	@$(PYTHON_ENV)/bin/python benches/run.py $(PARTS)

chaos: deps ## kill the node a thousand times under load, then prove that nothing is lost; fewer: KILLS=100
	IRISNODE_CHAOS_KILLS=$${KILLS:-1000} cargo test --locked --test node chaos -- --nocapture

conformance: deps ## who can read what we write: the table of tests/README.md, written anew
	IRISNODE_WRITE=1 cargo test --locked --test readers everyone

fuzz: python ## fuzz what strangers can send, 20,000 inputs a target; more: RUNS=10000000, one: TARGETS=seg
	@RUNS="$${RUNS:-20000}" fuzz/run.sh $(TARGETS)

evaluate: build ## the shipped weights beside baselines; figures in evaluation.json, examples in evaluation.png
	@target/release/irisnode evaluate --weights weights/iris.safetensors --phantoms 20 \
		$$(test -d ../shared/data && echo --pairs weights/evaluate.toml) \
		--json evaluation.json --pictures evaluation.png

fmt: ## format the source
	cargo fmt

clean-demo: ## remove what the demo left
	rm -rf demo-out
