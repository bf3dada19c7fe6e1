"""MLflow's web UI: installed out of the wheel by `ferroflow ui install`, and its files served as the official server serves them."""

from __future__ import annotations

import gzip
import http.server
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow.server
import pytest

from fleet import Fleet
from http_client import Answer, Connection, Request
from servers import MLFLOW_WHEEL, ferroflow_binary

PACKAGED = Path(mlflow.server.__file__).parent / "js" / "build"
JSON_LIST = "application/vnd.pypi.simple.v1+json"
HASHED = re.compile(r"\.[0-9a-f]{8,}\.")
# Python's own table of types, which the official server goes by, is not the same in every version.
MORE_EXACT = {
    "application/octet-stream": ("font/woff", "font/woff2", "font/ttf", "application/vnd.ms-fontobject"),
    "text/javascript": ("application/javascript",),
    "image/x-icon": ("image/vnd.microsoft.icon",),
}


def _install(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(ferroflow_binary()), "ui", "install", *arguments]
    environment = {**os.environ, "FERROFLOW_UI_HOME": str(home), "NO_PROXY": "127.0.0.1", **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def _index(answers: dict[str, tuple[str, bytes]]) -> Iterator[str]:
    """A package index with these pages, as path to type and body; answers its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(self.path.split("?")[0])
            self.send_response(200 if found else 404)
            content_type, body = found or ("text/plain", b"")
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/simple"
        finally:
            server.shutdown()


def test_the_build_is_the_packages(ui_home: Path) -> None:
    installed = _files(ui_home / "3.7.0")
    compressed = {name.removesuffix(".gz"): content for name, content in installed.items() if name.endswith(".gz")}
    plain = {name: content for name, content in installed.items() if not name.endswith(".gz")}
    assert plain == _files(PACKAGED)
    assert len(compressed) > 100
    for name, content in compressed.items():
        assert gzip.decompress(content) == plain[name], name
        assert len(content) < 0.9 * len(plain[name]), name
    assert [path.name for path in ui_home.iterdir()] == ["3.7.0"]


@pytest.mark.parametrize("kind", ["json", "html"])
def test_from_an_index(tmp_path: Path, kind: str) -> None:
    name = MLFLOW_WHEEL.name
    page = {
        "json": (JSON_LIST, json.dumps({"files": [{"filename": name, "url": f"../../files/{name}"}]}).encode()),
        "html": ("text/html", f'<!DOCTYPE html><a href="/files/{name}#sha256=0">{name}</a>'.encode()),
    }[kind]
    with _index({"/simple/mlflow/": page, f"/files/{name}": ("application/zip", MLFLOW_WHEEL.read_bytes())}) as index:
        done = _install(tmp_path, "--index", index)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Fetched" in done.stdout and "Installed" in done.stdout
    assert (tmp_path / "3.7.0" / "index.html").read_bytes() == (PACKAGED / "index.html").read_bytes()
    again = _install(tmp_path, "--index", "http://127.0.0.1:1/")
    assert (again.returncode, again.stderr) == (0, "") and "already" in again.stdout


def test_a_wheel_that_was_changed_is_refused(tmp_path: Path) -> None:
    wheel = bytearray(MLFLOW_WHEEL.read_bytes())
    wheel[len(wheel) // 2] ^= 1
    changed = tmp_path / MLFLOW_WHEEL.name
    changed.write_bytes(wheel)
    done = _install(tmp_path / "home", "--wheel", str(changed))
    assert done.returncode == 1 and "SHA-256" in done.stderr and "nothing was installed" in done.stderr
    assert not (tmp_path / "home").exists()


def test_killed_in_the_middle(tmp_path: Path) -> None:
    command = [str(ferroflow_binary()), "ui", "install", "--wheel", str(MLFLOW_WHEEL)]
    process = subprocess.Popen(command, env={**os.environ, "FERROFLOW_UI_HOME": str(tmp_path)}, stdout=subprocess.DEVNULL)
    while process.poll() is None and not any(tmp_path.rglob("*.js")):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "3.7.0").exists(), "killed too late to show anything"
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".installing-")
    os.utime(left, (0, 0))
    assert _install(tmp_path, "--wheel", str(MLFLOW_WHEEL)).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["3.7.0"], "what was left behind an hour ago is gone"


def test_two_at_once(tmp_path: Path) -> None:
    command = [str(ferroflow_binary()), "ui", "install", "--wheel", str(MLFLOW_WHEEL)]
    environment = {**os.environ, "FERROFLOW_UI_HOME": str(tmp_path)}
    processes = [subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["3.7.0"]


def test_files_are_served_as_the_official_server_serves_them(fleet: Fleet, ui_home: Path) -> None:
    environment = (("FERROFLOW_UI_HOME", str(ui_home)),)
    ours, theirs = Connection(fleet.candidate("sqlite", environment).port), Connection(fleet.official("sqlite").port)
    names = sorted(_files(PACKAGED))
    for path in ("/", *(f"/static-files/{name}" for name in names), f"/build/{names[0]}", "/static-files/no.js", "/build/no.js"):
        expected, got = theirs.send(Request("GET", path)), ours.send(Request("GET", path))
        assert got.status == expected.status, path
        if expected.status == 200:
            assert got.body == expected.body, path
            assert _type(got) in (_type(expected), *MORE_EXACT.get(_type(expected), ())), path
    ours.close()
    theirs.close()


def test_browsers_cache_files_and_get_them_compressed(fleet: Fleet, ui_home: Path) -> None:
    if fleet.candidate_kind == "official":
        pytest.skip("the official server compresses nothing")
    connection = Connection(fleet.candidate("sqlite", (("FERROFLOW_UI_HOME", str(ui_home)),)).port)
    browser = (("Accept-Encoding", "gzip, deflate, br, zstd"),)
    for name, content in sorted(_files(PACKAGED).items()):
        path = f"/static-files/{name}"
        got = connection.send(Request("GET", path, headers=browser))
        body = gzip.decompress(got.body) if got.headers.get("content-encoding") == "gzip" else got.body
        assert (got.status, body) == (200, content), name
        assert ("immutable" in got.headers["cache-control"]) == bool(HASHED.search(name)), name
        tag = (("If-None-Match", got.headers["etag"]),)
        assert connection.send(Request("GET", path, headers=browser + tag)).status == 304, name
        head = connection.send(Request("HEAD", path, headers=browser))
        assert head.headers["content-length"] == str(len(got.body)) and not head.body, name
        part = connection.send(Request("GET", path, headers=(*browser, ("Range", "bytes=1-9"), ("If-Range", got.headers["etag"]))))
        assert (part.status, part.body) == (206, got.body[1:10]), name
    connection.close()


def _type(answer: Answer) -> str:
    return answer.media_type()
