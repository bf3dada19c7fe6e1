"""The chart's Ingress on nginx, which limits bodies to a mebibyte unless the Ingress says something else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import edge
import nginx_ingress
from nginx_ingress import ADDRESS, PREFIX
from node import kubectl
from outside import Store
from processes import Processes
from tracker import HOST, NAMESPACE, PASSWORD, RELEASE, URL, USER, Tracker

LARGE = 64 << 20


@pytest.fixture(params=["the chart's annotations", "the seed's annotations alone"])
def large_bodies_pass(request: pytest.FixtureRequest, reachable: Tracker, processes: Processes) -> Iterator[bool]:
    """nginx with the Ingress as the chart makes it, and without what the chart adds to it."""
    ingress = json.loads(kubectl("-n", NAMESPACE, "get", "ingress", RELEASE, "-o", "json"))
    are_charts = request.param.startswith("the chart's")
    name = f"nginx-{'chart' if are_charts else 'seed'}"
    if not are_charts:
        annotations = ingress["metadata"]["annotations"]
        ingress["metadata"]["annotations"] = {key: value for key, value in annotations.items() if not key.startswith(f"{PREFIX}proxy-")}
    nginx_ingress.start(processes, name, NAMESPACE, ingress)
    processes.until("nginx", lambda: _status("/health") == "401")
    yield are_charts
    processes.stop(name)


def test_large_uploads(large_bodies_pass: bool, store: Store, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(LARGE))
    path = f"nginx/{large_bodies_pass}"
    upload = ("--user", f"{USER}:{PASSWORD}", "--upload-file", str(tmp_path / "large"))
    status = _status(f"/api/2.0/mlflow-artifacts/artifacts/{path}", *upload)
    assert status == ("200" if large_bodies_pass else "413")
    assert store.names().get(path) == (LARGE if large_bodies_pass else None)


def _status(path: str, *options: str) -> str:
    """The status of a request to this nginx, by the tracker's name."""
    place = ("--resolve", f"{HOST}:443:{ADDRESS}", "--cacert", str(edge.ROOTS), "--http1.1")
    command = ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", *place, *options, URL + path]
    return subprocess.run(command, capture_output=True, text=True, timeout=300).stdout
