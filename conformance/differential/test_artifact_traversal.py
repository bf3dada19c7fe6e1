"""Paths that try to leave the artifact root: the same refusal on every artifact route, and nothing outside is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from differential.pair import Pair
from differential.steps import create_experiment, create_model, create_run
from fleet import Fleet

SECRET = "outside of the artifact root"
# As they are written in a URL.
PATHS = [
    *("..", "../secret.txt", "../../secret.txt", "a/../../secret.txt", "a/..", "./../secret.txt", "..//secret.txt"),
    *("%2e%2e/secret.txt", "..%2fsecret.txt", "%2e%2e%2fsecret.txt", "%252e%252e/secret.txt", "..%252fsecret.txt"),
    *("%252e%252e%252fsecret.txt", "%25252e%25252e%25252fsecret.txt", "a%2f..%2f..%2fsecret.txt", "%2E%2E%2Fsecret.txt"),
    *("..%5csecret.txt", "..\\secret.txt", "%5c..%5csecret.txt", "a%5cb", "..%255csecret.txt", "\\\\host\\share"),
    *("/var/tmp/ferroflow-outside", "%2fvar%2ftmp%2fferroflow-outside", "//var/tmp/ferroflow-outside", "%252fvar%252ftmp%252fferroflow-outside", "C:/secret.txt", "C:%5csecret.txt", "c%3a/x", "C:secret.txt"),
    *("file:///var/tmp/ferroflow-outside", "file:/var/tmp/ferroflow-outside", "file::/var/tmp/ferroflow-outside", "file%3A///var/tmp/ferroflow-outside", "http://127.0.0.1/x", "s3://bucket/x"),
    *("a;b/../../x", "..;/secret.txt", "..;a=b/secret.txt", "%3b/../x", "a%23b", "%23", "a%3fb", "a%00b", "%00", "..%00/secret.txt", "a%0ab", "%7f"),
    *(".", "./", "%2e", "...", "..../x", "..a", "a..", "a..b/c", ".%20./x", "~", "~root/x", "$HOME", "%c0%ae%c0%ae/x", "%ef%bc%8e%ef%bc%8e/x", "%ff"),
    "%2e%2e%2f" * 20 + "var/tmp/ferroflow-outside",
    "a/" * 60 + "x",
]


@pytest.fixture
def secrets(engine: str, fleet: Fleet) -> list[Path]:
    """A file beside each server's artifact folder, which nobody may read, change or delete."""
    files = [server.directory / "secret.txt" for server in (fleet.official(engine), fleet.candidate(engine))]
    for file in files:
        file.write_text(SECRET)
    return files


def test_proxy(pair: Pair, secrets: list[Path]) -> None:
    base = f"{pair.prefix}/2.0/mlflow-artifacts/artifacts"
    for path in PATHS:
        answer = pair.send("GET", f"{base}/{path}")
        assert SECRET.encode() not in answer.candidate.body, f"GET {path} read a file outside of the root"
        answer = pair.send("GET", f"{base}?path={path}")
        assert b"server.log" not in answer.candidate.body, f"the list of {path} shows what is outside of the root"
    for path in PATHS:
        if pair.send("PUT", f"{base}/{path}", body=b"changed").succeeded():
            pair.send("GET", f"{base}/{path}")
    for path in PATHS:
        pair.send("DELETE", f"{base}/{path}")
    assert all(file.read_text() == SECRET for file in secrets)


def test_run_routes(pair: Pair, secrets: list[Path]) -> None:
    run = create_run(pair, create_experiment(pair))
    for path in PATHS:
        pair.send("GET", f"{pair.prefix}/2.0/mlflow/artifacts/list?run_id={run}&path={path}")
        answer = pair.send("GET", f"/get-artifact?run_id={run}&path={path}")
        assert SECRET.encode() not in answer.candidate.body, f"{path} read a file outside of the root"
    for path in PATHS:
        pair.send("POST", f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path={path}", body=b"changed")
    assert all(file.read_text() == SECRET for file in secrets)


def test_model_routes(pair: Pair, secrets: list[Path]) -> None:
    model = create_model(pair, create_experiment(pair))
    for path in PATHS:
        pair.send("GET", f"/ajax-api/2.0/mlflow/logged-models/{model}/artifacts/files?artifact_file_path={path}")
        pair.send("GET", f"{pair.prefix}/2.0/mlflow/logged-models/{model}/artifacts/directories?artifact_directory_path={path}")
    assert all(file.read_text() == SECRET for file in secrets)


def test_symbolic_links(pair: Pair, secrets: list[Path]) -> None:
    """A link inside the root that points outside must not be followed. The official server follows some of them."""
    for file in secrets:
        link = file.parent / "artifacts" / "link"
        link.unlink(missing_ok=True)
        link.symlink_to(file.parent)
    for target in ("link/secret.txt", "link"):
        pair.send("GET", f"{pair.prefix}/2.0/mlflow-artifacts/artifacts/{target}")
    pair.send("GET", f"{pair.prefix}/2.0/mlflow-artifacts/artifacts?path=link")
    pair.send("PUT", f"{pair.prefix}/2.0/mlflow-artifacts/artifacts/link/new.txt", body=b"x")
