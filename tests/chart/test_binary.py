"""The binary takes what the chart gives it: each container's arguments and variables, and a server that runs with them."""

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rendering import ROOT, look, objects, pod_specs
from test_kubernetes import SAMPLES


def binary() -> Path:
    places = [os.environ.get("FERROFLOW_BIN"), ROOT / "target/release/ferroflow", ROOT / "target/debug/ferroflow"]
    found = next((Path(place) for place in places if place and Path(place).is_file()), None)
    assert found, "no binary: build one, or name it in FERROFLOW_BIN"
    return found


OURS = [sample for sample in SAMPLES if sample != "official"]


@pytest.mark.parametrize("sample", OURS)
def test_arguments_are_known(sample: str) -> None:
    found = objects(SAMPLES[sample])
    variables = look(found, "config: ")
    tried = 0
    for name, spec in pod_specs(found):
        for container in spec.get("initContainers", []) + spec["containers"]:
            if container["command"] == ["ferroflow"] and container["args"][0] in ("server", "db", "gc"):
                # What comes before --help is read first.
                command = [binary(), *container["args"], "--help"]
                done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
                assert done.returncode == 0, f"{name}: {container['name']}: {done.stderr}"
                tried += 1
    assert tried


def test_an_unknown_argument_would_be_found() -> None:
    done = subprocess.run([binary(), "server", "--nonsense=1", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 2


@contextmanager
def running(values: dict, folder: Path) -> Iterator[int]:
    """The server of the chart with these values, with `folder` for /data."""
    found = objects(values)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    args = [arg.replace("/data", str(folder)) for arg in look(found, "server: args") if not arg.startswith("--port=")]
    log = (folder / "log").open("w")
    server = subprocess.Popen([binary(), *args, f"--port={port}"], env=look(found, "config: "), stderr=log)
    try:
        for _ in range(200):
            try:
                if ask(port, look(found, "server: readinessProbe.httpGet.path"), "x")[0] == 200:
                    break
            except OSError:
                pass
            assert server.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        assert server.wait(10) == 0


def ask(port: int, path: str, host: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_a_server_runs_and_answers_to_its_names(tmp_path: Path) -> None:
    values = {
        "artifactRoot": {"proxiedArtifactStorage": True},
        "ingress": {"enabled": True, "hosts": [{"host": "m.example", "paths": [{"path": "/"}]}]},
    }
    search = "/api/2.0/mlflow/experiments/get?experiment_id=0"
    with running(values, tmp_path) as port:
        for host in ["m.example", "mlflow", "mlflow.mlflow.svc", "mlflow.mlflow.svc.cluster.local:80", "localhost"]:
            assert ask(port, search, host)[0] == 200, host
        assert ask(port, search, "evil.example")[0] == 403
        for probe in ["/livez", "/readyz", "/health"]:
            assert ask(port, probe, "10.1.2.3:5000")[0] == 200, probe
    assert (tmp_path / "mlflow.db").exists() and (tmp_path / "mlartifacts").is_dir()


def test_probes_are_where_the_server_answers_them(tmp_path: Path) -> None:
    values = {"extraArgs": {"staticPrefix": "/ml"}, "artifactRoot": {"proxiedArtifactStorage": True}}
    found = objects(values)
    with running(values, tmp_path) as port:
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"]:
            path = look(found, f"server: {probe}.httpGet.path")
            assert path.startswith("/ml/") and ask(port, path, "10.1.2.3:5000")[0] == 200
