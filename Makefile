# make run    build Ferroflow and serve on http://127.0.0.1:5000 (SQLite in mlflow.db, artifacts in ./mlartifacts)
# make test   install what the tests need, and run them all: Rust, and the real MLflow client and server beside ours
# make chart  render the Helm chart with every value, and check what comes out
# make image  the container image, as an archive: target/image/ferroflow.tar (UI=1: with MLflow's web UI); no engine needed
# make test-cluster  the image, and the chart on a real Kubernetes node of this machine (root, Go; the first time 25 minutes)
# make lint   formatting, clippy, documentation, dependencies
# make bench  measure against the official server, FastTrackML and the floor, into bench/results/ (12 minutes, quiet machine)

.PHONY: run test unit conformance chart lint bench setup build image test-cluster

run: build
	./target/release/ferroflow server

build:
	cargo build --release --locked -p ferroflow

test: unit chart conformance

setup:
	conformance/setup.sh

unit: setup
	scripts/with-postgres scripts/with-stores cargo test --locked --workspace

conformance: setup build
	.venv/bin/python -m pytest conformance -q -ra

chart: build
	tests/chart/setup.sh
	.venv-chart/bin/python -m pytest tests/chart -q -ra

image:
	image/build.sh $(if $(UI),--ui)

# The image's binary once more with what its C library and its certificates make a difference for.
test-cluster: setup image
	tests/cluster/setup.sh
	.venv/bin/python -m pytest tests/image -q -ra
	FERROFLOW_BIN=target/image/root/usr/bin/ferroflow .venv/bin/python -m pytest conformance/test_main_job.py \
	  conformance/test_certificates.py conformance/test_azure_identities.py -q -ra
	tests/cluster/run

lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items
	scripts/check-dependencies

bench: setup build
	cargo build --release --locked -p ferroflow-store --example floor
	[ -x .venv-fasttrackml/bin/fml ] || (python3 -m venv .venv-fasttrackml && .venv-fasttrackml/bin/pip install --quiet fasttrackml)
	python3 bench/run.py --quick
